import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdmissionQueue, abortReason } from '../../coordinator/admission-queue.js';
import { GolddiffError } from '../../shared/errors.js';
import { QUEUE_RETRY_AFTER_MS } from '../../shared/limits.js';

test('places are given in the order of arrival', async () => {
  const queue = new AdmissionQueue({ runningMax: 2, waitingMax: 9 });
  const first = [await queue.acquire(), await queue.acquire()];
  const order: number[] = [];
  const waiters = [0, 1, 2].map((i) => queue.acquire().then((place) => (order.push(i), place)));
  assert.deepEqual([queue.running, queue.waiting], [2, 3]);
  first[1]!.release();
  (await waiters[0]!).release();
  (await waiters[1]!).release();
  (await waiters[2]!).release();
  assert.deepEqual(order, [0, 1, 2]);
  assert.deepEqual([queue.running, queue.waiting], [1, 0]);
  first[0]!.release();
  first[0]!.release();
  assert.equal(queue.running, 0);
});

test('beyond the bound a caller is told when to come back, but work that was let in waits on', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 1 });
  const running = await queue.acquire();
  const waiting = queue.acquire();
  await assert.rejects(queue.acquire(), { code: 'QUEUE_FULL', data: { retryAfterMs: QUEUE_RETRY_AFTER_MS } });
  const continuing = queue.acquire(undefined, true);
  running.release();
  (await waiting).release();
  assert.ok((await continuing).queueMs >= 0);
});

test('a waiter that is aborted leaves the queue with its reason', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 2 });
  const running = await queue.acquire();
  const abort = new AbortController();
  const waiting = queue.acquire(abort.signal);
  const after = queue.acquire();
  abort.abort(new GolddiffError('DEADLINE_EXCEEDED', 'too late'));
  await assert.rejects(waiting, { code: 'DEADLINE_EXCEEDED', message: 'too late' });
  assert.equal(queue.waiting, 1);
  running.release();
  (await after).release();
  assert.equal(queue.running, 0);
  await assert.rejects(queue.acquire(abort.signal), { code: 'DEADLINE_EXCEEDED' });
});

test('the reason of an abort becomes an error of ours', () => {
  assert.equal(abortReason(AbortSignal.abort()).code, 'CANCELLED');
  assert.equal(abortReason(AbortSignal.abort(new DOMException('', 'TimeoutError'))).code, 'DEADLINE_EXCEEDED');
});
