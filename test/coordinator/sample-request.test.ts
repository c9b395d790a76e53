import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SampleRequest } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import { firstNoise, planSample, stepOfBatch } from '../../coordinator/sample-request.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4, shape: [1, 2, 2] });

/** The request as it comes over the wire. Refusals are in sampling-service.test.ts. */
function plan(request: SampleRequest) {
  const { requestSerialize, requestDeserialize } = protoPackage.SamplingService.service.Sample;
  return planSample(requestDeserialize(requestSerialize(request)), manifest);
}

test('defaults: ddim over ten steps of the linear schedule, edm samplers over their own', () => {
  const ddim = plan({ count: 3 });
  assert.deepEqual([ddim.steps, ddim.path[0]!.t, ddim.batchRows, ddim.eta, ddim.xDtype], [10, 900, 64, 0, 'F32']);
  assert.equal(plan({ count: 3, sampler: 'EDM_HEUN' }).path[0]!.sigma.toFixed(6), '80.000000');
  assert.equal(plan({ count: 3, sampler: 'EDM_HEUN' }).noiseScale, 80);
});

test('the first noise of an image is a function of its number', () => {
  const whole = firstNoise(plan({ count: 4, seed: 6, firstSample: 10 }), 0, 4);
  assert.deepEqual(firstNoise(plan({ count: 4, seed: 6, firstSample: 10 }), 2, 2), whole.slice(8));
  const expected = new Float64Array(4);
  fillNormals(expected, 6, 12, 0);
  assert.deepEqual(whole.slice(8, 12), expected);
});

test('noise in double precision is sent in double precision', () => {
  const given = plan({ initialNoise: encodeTensor(Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 4], 'F64') });
  assert.deepEqual([given.count, given.xDtype], [2, 'F64']);
  assert.deepEqual([...firstNoise(given, 1, 1)], [5, 6, 7, 8]);
});

test('a step of a batch has the labels and counters of its images, and the run seed where none is given', () => {
  const given = plan({ count: 3, labels: [0, 1, 2], seed: 8, firstSample: 100, retrieval: { kind: 'GOLDEN', kMin: 1, kMax: 2 } });
  const step = stepOfBatch(given, new Float64Array(8), 1, 2, given.path[3]!, 3);
  assert.deepEqual([...step.labels!], [1, 2]);
  assert.deepEqual([...step.golden!.queryIds], [101, 102]);
  assert.deepEqual([step.golden!.presampleSeed, step.golden!.presampleStep], [8, 3]);
  assert.deepEqual([...step.sigma], Array(2).fill(given.path[3]!.sigma));
});
