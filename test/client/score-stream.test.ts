import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import { GolddiffError } from '../../shared/errors.js';
import { cannedScore, startCannedCoordinator } from '../support/canned-coordinator.js';

const batch = (value: number) => ({ x: Float32Array.of(value, value), shape: [1, 2], alpha: 1, sigma: 2 });

test('every batch of a stream gets its own answer, and a bad one does not end the stream', async () => {
  const server = await startCannedCoordinator({
    score: (request) =>
      request.levels?.sigma[0] === 3
        ? Promise.reject(new GolddiffError('QUEUE_FULL', 'Expected a place in the queue but it is full', { retryAfterMs: 250 }))
        : cannedScore(request),
  });
  const client = connect(server.endpoint);
  const stream = client.scoreStream();
  const answers = [2, 4, 6].map((v) => stream.send(batch(v)));
  const refused = stream.send({ ...batch(8), sigma: 3 });
  const last = stream.send(batch(10));
  assert.deepEqual(
    (await Promise.all(answers)).map((a) => a.x0hat[0]),
    [1, 2, 3],
  );
  await assert.rejects(refused, (e) => e instanceof GolddiffError && e.code === 'QUEUE_FULL' && e.data.retryAfterMs === 250 && e.retryable);
  assert.equal((await last).x0hat[0], 5);
  await stream.end();
  await assert.rejects(stream.send(batch(1)), { code: 'CANCELLED' });
  client.close();
});

test('a batch that is wrong on sight is refused before it is sent', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const stream = client.scoreStream();
  await assert.rejects(stream.send({ x: new Float32Array(3), shape: [1, 2], t: 0 }), { code: 'ARGUMENT_INVALID' });
  assert.equal(server.scoreRequests.length, 0);
  await stream.end();
  client.close();
});

test('cancelling a stream rejects what is under way', async () => {
  const server = await startCannedCoordinator({
    score: (_, context) => new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error))),
  });
  const client = connect(server.endpoint);
  const controller = new AbortController();
  const stream = client.scoreStream({ signal: controller.signal });
  const pending = stream.send(batch(1));
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(pending, { code: 'CANCELLED' });
  client.close();
});

test('large batches that nobody awaits all arrive', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const stream = client.scoreStream();
  const values = 256 * 784;
  const answers = Array.from({ length: 12 }, (_, i) => stream.send({ x: new Float32Array(values).fill(i), shape: [256, 784], t: 1 }));
  assert.deepEqual(
    (await Promise.all(answers)).map((a) => a.x0hat[values - 1]),
    Array.from({ length: 12 }, (_, i) => i / 2),
  );
  await stream.end();
  client.close();
});
