import assert from 'node:assert/strict';
import { it } from 'node:test';
import { protoPackage, reflectionDefinition } from '../../../shared/rpc/proto-package.js';
import type { ScoreRequest__Output } from '../../../proto/generated/golddiff/v1/ScoreRequest.js';

it('has every service with its methods', () => {
  const methods = (service: object): string[] => Object.keys(service).sort();
  assert.deepEqual(methods(protoPackage.ScoreService.service), ['Score', 'ScoreStream']);
  assert.deepEqual(methods(protoPackage.SamplingService.service), ['Sample']);
  assert.deepEqual(methods(protoPackage.DatasetService.service), ['Get', 'List']);
  assert.deepEqual(methods(protoPackage.JobService.service), ['Cancel', 'Get', 'List', 'Result', 'Submit', 'Watch']);
  assert.deepEqual(methods(protoPackage.ShardService.service), ['Assign', 'Describe', 'HoldSupports', 'Moments', 'Steps']);
});

it('reads messages as the generated types say: camel case, numbers, enum names, defaults, oneof names', () => {
  const { requestSerialize, requestDeserialize } = protoPackage.ScoreService.service.Score;
  const wire = requestSerialize({
    dataSet: 'mnist',
    x: { dtype: 'F32', shape: [1, 2], data: Buffer.from([0, 0, 128, 63, 0, 0, 0, 64]) },
    timesteps: { schedule: 'DDPM_LINEAR', t: [999] },
    retrieval: { kind: 'GOLDEN', presampleSeed: Number.MAX_SAFE_INTEGER },
  });
  const request: ScoreRequest__Output = requestDeserialize(wire);
  assert.equal(request.dataSet, 'mnist');
  assert.equal(request.noise, 'timesteps');
  assert.deepEqual(request.timesteps?.t, [999]);
  assert.equal(request.retrieval?.presampleSeed, Number.MAX_SAFE_INTEGER);
  assert.equal(request.retrieval?.kind, 'GOLDEN');
  assert.equal(request.denoiser, 'DENOISER_UNSPECIFIED');
  assert.deepEqual(request.labels, []);
  assert.equal(request.returnScore, false);
  assert.deepEqual([...(request.x?.data ?? [])], [0, 0, 128, 63, 0, 0, 0, 64]);
  assert.ok(Buffer.isBuffer(request.x?.data));
});

it('keeps numbers that do not fit in 32 bits', () => {
  const { responseSerialize, responseDeserialize } = protoPackage.DatasetService.service.Get;
  assert.equal(responseDeserialize(responseSerialize({ rows: 2 ** 40 + 1 })).rows, 2 ** 40 + 1);
});

it('keeps infinities in doubles, as cuts and empty partials need', () => {
  const { requestSerialize, requestDeserialize } = protoPackage.ShardService.service.Steps;
  const wire = requestSerialize({ stepId: 1, aggregate: { stage: 'SUMS', maxLogit: [-Infinity, 0], mass: [0, Infinity] } });
  assert.deepEqual(requestDeserialize(wire).aggregate?.maxLogit, [-Infinity, 0]);
  assert.deepEqual(requestDeserialize(wire).aggregate?.mass, [0, Infinity]);
});

it('offers the files under their own field names to reflection', () => {
  const score = reflectionDefinition()['golddiff.v1.ScoreRequest'];
  assert.ok(score !== undefined && 'type' in score);
  assert.match(JSON.stringify(score.type), /"data_set"/);
});
