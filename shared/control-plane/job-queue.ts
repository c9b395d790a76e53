import type { JobQueue, JobRecord } from './control-plane.js';

/** @param jobs all that are kept, in any order. @param deadLetters see JobQueue */
export function queueOf(jobs: readonly Pick<JobRecord, 'state' | 'deliveries' | 'submittedUnixMs'>[], deadLetters: number): JobQueue {
  const byState = { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  let oldestQueuedUnixMs: number | undefined;
  let redeliveries = 0;
  for (const { state, deliveries, submittedUnixMs } of jobs) {
    byState[state]++;
    redeliveries += Math.max(0, deliveries - 1);
    if (state === 'queued') oldestQueuedUnixMs = Math.min(oldestQueuedUnixMs ?? Infinity, submittedUnixMs);
  }
  return { byState, oldestQueuedUnixMs, redeliveries, deadLetters };
}
