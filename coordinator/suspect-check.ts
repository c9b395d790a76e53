/**
 * Where workers send their own heartbeats: a worker that steps have lost is asked once more what it is. One whose address refuses connections twice has no process
 * any more, and is taken off at once instead of at the end of its lease. Once for each start of a worker: one that goes on sending heartbeats lives, and is only out
 * of this coordinator's reach, for which its steps already go elsewhere.
 */

import type { Membership, WorkerStatus } from '../shared/control-plane/control-plane.js';
import { asGolddiffError } from '../shared/errors.js';
import { PROBE_AGAIN_MS, PROBE_TIMEOUT_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { WorkerLink } from './worker-link.js';

export interface SuspectCheckSettings {
  readonly membership: Membership;
  readonly workerOf: (workerId: string) => WorkerStatus | undefined;
  readonly log: Logger;
}

const REFUSALS = 2;

export class SuspectCheck {
  /** instances under suspicion now, or taken off */
  readonly #known = new Set<string>();
  #stopped = false;

  constructor(private readonly settings: SuspectCheckSettings) {}

  stop(): void {
    this.#stopped = true;
  }

  suspect(workerId: string): void {
    const worker = this.settings.workerOf(workerId);
    if (worker === undefined || this.#known.has(worker.instanceId)) return;
    this.#known.add(worker.instanceId);
    void this.#check(worker).then((gone) => {
      if (!gone) this.#known.delete(worker.instanceId);
    });
  }

  /** True = taken off. */
  async #check({ workerId, address }: WorkerStatus): Promise<boolean> {
    const { membership, log } = this.settings;
    const link = new WorkerLink(workerId, address);
    try {
      for (let refusals = 0; refusals < REFUSALS && !this.#stopped; refusals++) {
        const answered = await link.describe(PROBE_TIMEOUT_MS).then(
          () => true,
          // Silence is for the lease: a worker that stands still may go on.
          (thrown: unknown) => asGolddiffError(thrown).code !== 'WORKER_LOST',
        );
        if (answered || this.#stopped) return false;
        await new Promise((resolve) => setTimeout(resolve, PROBE_AGAIN_MS));
      }
      log.warn({ workerId, address }, 'worker left: its address refuses connections');
      await membership.remove(workerId);
      return true;
    } catch (thrown) {
      log.debug({ workerId, code: asGolddiffError(thrown).code }, 'a suspect was not taken off');
      return false;
    } finally {
      link.close();
    }
  }
}
