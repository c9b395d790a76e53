/**
 * The control plane of one process: everything in memory, for the embedded cluster and for static worker lists. Leases end by the given clock, which
 * tests move by hand; a sweep at every look and a timer for watchers keep them honest without one timer per lease.
 */

import { InProcessArtifacts } from './in-process-artifacts.js';
import { InProcessJobs } from './in-process-jobs.js';
import { InProcessLeadership } from './in-process-leadership.js';
import { InProcessMembership } from './in-process-membership.js';
import { InProcessPlacements } from './in-process-placements.js';
import { invariant } from '../errors.js';
import { LEASE_SWEEP_INTERVAL_MS, WORKER_LEASE_MS } from '../limits.js';
import type { ControlPlane } from './control-plane.js';

export interface InProcessSettings {
  /** how long a worker lives without a heartbeat, ms */
  readonly workerLeaseMs?: number;
  /** monotonic, ms */
  readonly nowMs?: () => number;
  /** milliseconds between looks for leases that have ended, for watchers; 0 = only `sweep` looks */
  readonly sweepIntervalMs?: number;
}

export interface InProcessControlPlane extends ControlPlane {
  readonly kind: 'in-process';
  /** Ends what has expired by the clock, and tells the watchers. */
  sweep(): void;
}

/**
 * A clock, read at every sweep, that leaves out the time in which this process did not run: a heartbeat that waits unread while the event loop stands
 * still, in a long collection or on a starved machine, must not count as a worker's silence.
 *
 * @param gapMsMax the most that passes between two looks; more than the interval of the sweep
 */
export function awakeClock(wallMs: () => number, gapMsMax: number): () => number {
  let lastMs = wallMs();
  let lostMs = 0;
  return () => {
    const now = wallMs();
    lostMs += Math.max(0, now - lastMs - gapMsMax);
    lastMs = now;
    return now - lostMs;
  };
}

export function createInProcessControlPlane(settings: InProcessSettings = {}): InProcessControlPlane {
  const leaseMs = settings.workerLeaseMs ?? WORKER_LEASE_MS;
  invariant(leaseMs > 0, 'a lease lasts a while');
  const intervalMs = settings.sweepIntervalMs ?? LEASE_SWEEP_INTERVAL_MS;
  const wallMs = (): number => performance.now();
  const nowMs = settings.nowMs ?? (intervalMs > 0 ? awakeClock(wallMs, Math.max(2 * intervalMs, leaseMs / 3)) : wallMs);
  const membership = new InProcessMembership(leaseMs, nowMs);
  const placements = new InProcessPlacements();
  const leadership = new InProcessLeadership();
  const jobs = new InProcessJobs(nowMs);
  const artifacts = new InProcessArtifacts(nowMs);
  const sweep = (): void => {
    membership.sweep();
    jobs.sweep();
    artifacts.sweep();
  };
  const timer = intervalMs > 0 ? setInterval(sweep, intervalMs) : undefined;
  // A process with nothing else to do may end.
  timer?.unref();
  return {
    kind: 'in-process',
    membership,
    placements,
    leadership,
    jobs,
    artifacts,
    sweep,
    close: async () => {
      clearInterval(timer);
      membership.close();
      placements.close();
      leadership.close();
      jobs.close();
      artifacts.close();
    },
  };
}
