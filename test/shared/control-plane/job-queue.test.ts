import assert from 'node:assert/strict';
import { it } from 'node:test';
import { queueOf } from '../../../shared/control-plane/job-queue.js';

it('counts jobs by state, deliveries after the first, and finds the oldest that waits', () => {
  const queue = queueOf(
    [
      { state: 'queued', deliveries: 2, submittedUnixMs: 30 },
      { state: 'queued', deliveries: 0, submittedUnixMs: 20 },
      { state: 'running', deliveries: 1, submittedUnixMs: 10 },
      { state: 'failed', deliveries: 5, submittedUnixMs: 5 },
    ],
    7,
  );
  assert.deepEqual(queue, {
    byState: { queued: 2, running: 1, succeeded: 0, failed: 1, cancelled: 0 },
    oldestQueuedUnixMs: 20,
    redeliveries: 5,
    deadLetters: 7,
  });
});
