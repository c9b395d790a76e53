import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScoreRequest } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import { startCoordinator } from '../../coordinator/server.js';
import type { GolddiffError } from '../../shared/errors.js';
import { type ErrorCode } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { runCoordinator } from './running-coordinator.js';
import { randomDataSet, randomQueries } from './test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });
const queries = (batch: number): Float64Array => randomQueries(data, batch, 0.9, 0.4);
const request = (more: Partial<ScoreRequest> = {}): ScoreRequest => ({
  x: encodeTensor(queries(2), [2, 16], 'F32'),
  levels: { alpha: [0.9], sigma: [0.4] },
  ...more,
});
const poisoned = (value: number): Float32Array => {
  const x = Float32Array.from(queries(4));
  x[3 * 16 + 5] = value;
  return x;
};

const REFUSALS: readonly { name: string; change: Partial<ScoreRequest>; code: ErrorCode; message: RegExp }[] = [
  {
    name: 'wrong D',
    change: { x: encodeTensor(new Float32Array(30), [2, 15], 'F32') },
    code: 'TENSOR_INVALID',
    message: /16 for x\.shape\[1\] but received 15/,
  },
  { name: 'wrong dtype', change: { x: encodeTensor(new Uint8Array(32), [2, 16], 'U8') }, code: 'TENSOR_INVALID', message: /x\.dtype/ },
  {
    name: 'bytes that disagree with the shape',
    change: { x: { dtype: 'F32', shape: [2, 16], data: Buffer.alloc(100) } },
    code: 'TENSOR_INVALID',
    message: /128 bytes .* x\.data but received 100/,
  },
  { name: 'NaN', change: { x: encodeTensor(poisoned(NaN), [4, 16], 'F32') }, code: 'TENSOR_INVALID', message: /x\[3\]/ },
  { name: 'Inf', change: { x: encodeTensor(poisoned(-Infinity), [4, 16], 'F32') }, code: 'TENSOR_INVALID', message: /x\[3\]/ },
  { name: 'no x', change: { x: null }, code: 'TENSOR_INVALID', message: /a tensor for x / },
  { name: 'B = 0', change: { x: { dtype: 'F32', shape: [0, 16], data: Buffer.alloc(0) } }, code: 'TENSOR_INVALID', message: /x\.shape\[0\]/ },
  {
    name: 'B over the limit',
    change: { x: encodeTensor(new Float32Array(257 * 16), [257, 16], 'F32') },
    code: 'TENSOR_INVALID',
    message: /1 to 256 .* 257/,
  },
  { name: 'sigma 0', change: { levels: { alpha: [1], sigma: [0] } }, code: 'ARGUMENT_INVALID', message: /levels\.sigma\[0\]/ },
  {
    name: 'sigma below 0',
    change: { levels: { alpha: [1], sigma: [0.5, -1] } },
    code: 'ARGUMENT_INVALID',
    message: /levels\.sigma\[1\] but received -1/,
  },
  { name: 'alpha that is no number', change: { levels: { alpha: [NaN], sigma: [1] } }, code: 'ARGUMENT_INVALID', message: /levels\.alpha\[0\]/ },
  {
    name: 'as many levels as neither one nor B',
    change: { levels: { alpha: [1], sigma: [1, 1, 1] } },
    code: 'ARGUMENT_INVALID',
    message: /1 or 2 values for levels\.sigma/,
  },
  {
    name: 't out of range',
    change: { levels: null, timesteps: { t: [1000] } },
    code: 'ARGUMENT_INVALID',
    message: /0\.\.999 for timesteps\.t\[0\] but received 1000/,
  },
  { name: 'no noise level', change: { levels: null }, code: 'ARGUMENT_INVALID', message: /timesteps or levels for noise but received "neither"/ },
  { name: 'k over N', change: { retrieval: { kind: 'GOLDEN', kMax: 61 } }, code: 'ARGUMENT_INVALID', message: /retrieval\.k_max but received 61/ },
  { name: 'k_min over k_max', change: { retrieval: { kind: 'GOLDEN', kMin: 9, kMax: 8 } }, code: 'ARGUMENT_INVALID', message: /retrieval\.k_min/ },
  {
    name: 'a seed over 2^53 - 1',
    change: { retrieval: { kind: 'GOLDEN', presampleSeed: '9007199254740993' } },
    code: 'ARGUMENT_INVALID',
    message: /presample_seed/,
  },
  { name: 'an unknown data set', change: { dataSet: 'unheard-of' }, code: 'DATA_SET_UNKNOWN', message: /"unheard-of"/ },
  { name: 'a label that nobody has', change: { labels: [1, 7] }, code: 'ARGUMENT_INVALID', message: /labels\[1\] but received 7/ },
  { name: 'as many labels as neither one nor B', change: { labels: [1, 0, 1] }, code: 'ARGUMENT_INVALID', message: /1 or 2 values for labels/ },
  { name: 'a denoiser of another release', change: { denoiser: 77 as never }, code: 'ARGUMENT_INVALID', message: /denoiser but received 77/ },
  { name: 'a temperature below 0', change: { temperature: -1 }, code: 'ARGUMENT_INVALID', message: /temperature/ },
  { name: 'a result of bytes', change: { resultDtype: 'U8' }, code: 'ARGUMENT_INVALID', message: /result_dtype/ },
  {
    name: 'a query out of this world',
    change: { x: encodeTensor(new Float64Array(16).fill(1e200), [1, 16], 'F64') },
    code: 'ARGUMENT_INVALID',
    message: /x\[0\]/,
  },
];

test('every bad request is refused in one sentence that names the field, and the server goes on', async (t) => {
  const { score } = await runCoordinator(t, data);
  for (const { name, change, code, message } of REFUSALS) {
    await t.test(name, async () => {
      await assert.rejects(score(request(change)), (error: GolddiffError) => {
        assert.equal(error.code, code, error.message);
        assert.match(error.message, message);
        assert.doesNotMatch(error.message, /\n/);
        return true;
      });
    });
  }
  await assert.rejects(score(request(), 1), { code: 'DEADLINE_EXCEEDED' });
  assert.equal((await score(request())).goldenRows[0], 60);
});

test('a worker that dies takes its partitions with it until others have loaded them', async (t) => {
  const { score, workers } = await runCoordinator(t, data, { workers: 3, config: { placementWaitMs: 10_000 } });
  const before = await score(request({ resultDtype: 'F64' }));
  workers[1]!.stop();
  const after = await score(request({ resultDtype: 'F64' }));
  assert.equal(after.coverage!.fraction, 1);
  assert.deepEqual(after.x0hat!.data, before.x0hat!.data);
});

test('with no worker left the error names the partitions and says when to come back', async (t) => {
  const { score, workers } = await runCoordinator(t, data, { workers: 1 });
  workers[0]!.stop();
  await assert.rejects(score(request()), (error: GolddiffError) => {
    assert.equal(error.code, 'PARTITION_MISSING');
    assert.match(error.message, /partitions 0-5/);
    assert.deepEqual(error.data.partitions, [0, 1, 2, 3, 4, 5]);
    assert.ok(error.data.retryAfterMs! > 0);
    return true;
  });
});

test('a partition that nobody can load leaves the rest served, with coverage', async (t) => {
  const { score } = await runCoordinator(t, data, { worker: { broken: [4] } });
  await assert.rejects(score(request()), { code: 'PARTITION_MISSING', data: { partitions: [4], retryAfterMs: 500 } });
  const partial = await score(request({ allowPartial: true }));
  assert.deepEqual(partial.coverage!.missingPartitions, [4]);
  assert.equal(partial.coverage!.rowsReached, 50);
});

test('metrics and health are served, and a port in use is one sentence', async (t) => {
  const { service, score } = await runCoordinator(t, data);
  await score(request());
  const metrics = await (await fetch(`http://${service.ready.metricsAddress}/metrics`)).text();
  assert.match(metrics, /golddiff_coordinator_requests_total\{method="ScoreService\/Score",code="OK"\} 1/);
  assert.match(metrics, /golddiff_coordinator_coverage_ratio 1/);
  assert.match(metrics, /phase_duration_seconds_count\{phase="serialise"\} 1\n/);
  assert.match(metrics, /worker_answer_duration_seconds_count\{stage="SUMS"\} 2\n/);
  assert.match(metrics, /straggler_wait_seconds_count\{stage="SUMS"\} 1\n/);
  assert.equal((await fetch(`http://${service.ready.metricsAddress}/healthz`)).status, 200);
  await assert.rejects(runCoordinator(t, data, { config: { listen: service.ready.address } }), { code: 'ADDRESS_IN_USE' });
});

test('a folder without a data set is refused', async () => {
  const config = {
    data: { kind: 'folder', dir: '/nowhere' },
    workers: [],
    replicas: 1,
    listen: '127.0.0.1:0',
    metricsListen: 'off',
    logLevel: 'silent',
    stepsMax: 1,
    hedgePercent: 0,
    hedgePercentile: 95,
    hedgeDelayMs: 20,
    queueMax: 1,
    placementWaitMs: 0,
    drainTimeoutMs: 1,
    leaveNoticeMs: 0,
    startWaitMs: 0,
    coordinatorId: 'c',
    clusterName: 'golddiff',
    natsReplicas: 1,
  } as const;
  await assert.rejects(startCoordinator(config, createLogger('test', 'silent')), { code: 'NOT_FOUND' });
});
