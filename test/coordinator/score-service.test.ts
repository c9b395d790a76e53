import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScoreStreamResponse__Output } from '../../proto/generated/golddiff/v1/ScoreStreamResponse.js';
import { status } from '@grpc/grpc-js';
import { SCORE_STREAM_PENDING_MAX } from '../../shared/limits.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { collect, floatsOf, runCoordinator } from './running-coordinator.js';
import { randomDataSet, randomQueries } from './test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });
const request = (seed: number) => ({
  x: encodeTensor(randomQueries(data, 2, 0.9, 0.4, seed), [2, 1, 4, 4], 'F32'),
  timesteps: { t: [300] },
});

test('a score has everything that was asked for, by the formulas', async (t) => {
  const { score } = await runCoordinator(t, data);
  const answer = await score({ ...request(1), returnScore: true, returnEps: true, returnMassRows: true, resultDtype: 'F64' });
  const f64 = (bytes: Uint8Array): Float64Array => new Float64Array(Uint8Array.from(bytes).buffer);
  const [mean, eps, grad] = [f64(answer.x0hat!.data), f64(answer.eps!.data), f64(answer.score!.data)];
  assert.deepEqual(answer.x0hat!.shape, [2, 1, 4, 4]);
  const x = randomQueries(data, 2, 0.9, 0.4, 1);
  for (let i = 0; i < x.length; i++) {
    const [a, s] = [answer.alpha[0]!, answer.sigma[0]!];
    assert.ok(Math.abs(eps[i]! - (x[i]! - a * mean[i]!) / s) < 1e-12);
    assert.ok(Math.abs(grad[i]! + eps[i]! / s) < 1e-12);
  }
  assert.ok(answer.massRows!.rows50[0]! <= answer.massRows!.rows99[0]!);
  assert.equal(answer.tailMassKind, 'EXACT');
  const { totalMs, scatterMs, screenMs, aggregateMs, mergeMs } = answer.timings!;
  assert.ok(scatterMs + screenMs + aggregateMs + mergeMs <= totalMs);
  assert.equal((await score(request(1))).score, null);
});

test('a stream answers in the order of arrival, and a bad batch by its failure', async (t) => {
  const { scores, score } = await runCoordinator(t, data, { worker: { delayMsMax: 4 } });
  const stream = scores.ScoreStream();
  const answers = collect<ScoreStreamResponse__Output>(stream);
  const count = SCORE_STREAM_PENDING_MAX * 2 + 3;
  for (let id = 0; id < count; id++) stream.write({ id, request: id === 5 ? { ...request(id), labels: [99] } : request(id) });
  stream.write({ id: 77 });
  stream.end();
  const got = await answers;
  assert.deepEqual(
    got.map((answer) => answer.id),
    [...Array.from({ length: count }, (_, i) => i), 77],
  );
  assert.equal(got[5]!.failure!.code, status.INVALID_ARGUMENT);
  assert.equal(got[5]!.failure!.reason, 'ARGUMENT_INVALID');
  assert.match(got[5]!.failure!.message, /labels\[0\]/);
  assert.equal(got[count]!.failure!.reason, 'ARGUMENT_INVALID');
  for (const id of [0, 7, count - 1]) assert.deepEqual(floatsOf(got[id]!.response!.x0hat!.data), floatsOf((await score(request(id))).x0hat!.data));
});

test('a stream is answered while it stays open', async (t) => {
  const { scores } = await runCoordinator(t, data);
  const stream = scores.ScoreStream();
  const answered = new Promise<ScoreStreamResponse__Output>((resolve) => stream.once('data', resolve));
  stream.on('error', () => {});
  stream.write({ id: 1, request: request(1) });
  assert.equal((await answered).id, 1);
  stream.cancel();
});

test('a client that vanishes in the middle of a step leaves nothing open on the workers', async (t) => {
  const { scores, workers, score } = await runCoordinator(t, data);
  const before = workers.map((worker) => worker.closes);
  const stream = scores.ScoreStream();
  stream.on('error', () => {});
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  const reached = new Promise<void>((resolve) => {
    for (const worker of workers) worker.before = () => (resolve(), held);
  });
  stream.write({ id: 1, request: request(1) });
  await reached;
  stream.cancel();
  while (workers.some((worker, i) => worker.closes === before[i])) await new Promise((resolve) => setTimeout(resolve, 5));
  release();
  for (const worker of workers) worker.before = () => {};
  assert.equal((await score(request(1))).goldenRows[0], 60);
});
