import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScoreRequest } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import { planScore } from '../../coordinator/score-request.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4, shape: [1, 2, 2] });

/** The request as it comes over the wire. The whole table of refusals is in server.test.ts. */
function plan(request: ScoreRequest) {
  const { requestSerialize, requestDeserialize } = protoPackage.ScoreService.service.Score;
  return planScore(requestDeserialize(requestSerialize(request)), manifest);
}
const x = (dtype: 'F32' | 'F64' | 'F16') => encodeTensor(Float64Array.of(0.5, 1, 1.5, 2, 0.1, 0, 0, 0), [2, 4], dtype);

test('timesteps name levels, one for all or one for each', () => {
  const { step } = plan({ x: x('F32'), timesteps: { schedule: 'EDM', t: [3, 900] } });
  assert.deepEqual([...step.sigma], [noiseLevelAt('EDM', 3).sigma, noiseLevelAt('EDM', 900).sigma]);
  assert.deepEqual([...plan({ x: x('F32'), timesteps: { t: [5] } }).step.alpha], Array(2).fill(noiseLevelAt('DDPM_LINEAR', 5).alpha));
});

test('queries travel in single precision unless the caller gave double', () => {
  assert.deepEqual(
    (['F32', 'F16', 'F64'] as const).map((dtype) => plan({ x: x(dtype), levels: { alpha: [1], sigma: [1] } }).step.xDtype),
    ['F32', 'F32', 'F64'],
  );
});

test('a golden retrieval is planned with the counters of the request', () => {
  const retrieval = { kind: 'GOLDEN', kMin: 2, kMax: 4, presampleSeed: 5, presampleStep: 6, firstQuery: 7 } as const;
  const { step } = plan({ x: x('F32'), levels: { alpha: [1], sigma: [1] }, retrieval });
  assert.deepEqual([step.golden!.presampleSeed, step.golden!.presampleStep, [...step.golden!.queryIds]], [5, 6, [7, 8]]);
  assert.throws(() => plan({ x: x('F32'), levels: { alpha: [1], sigma: [1] }, retrieval: { ...retrieval, firstQuery: 2 ** 32 - 1 } }), {
    message: /first_query/,
  });
});
