/**
 * Where workers send their own heartbeats: a worker that steps have lost, or waited for in vain, is asked what it is. One whose address refuses connections twice has no
 * process any more, and is taken off at once instead of at the end of its lease. Once for each start of a worker: one that goes on sending heartbeats lives, and is only
 * out of this coordinator's reach. One that is silent for as long as a lease is out of reach too, whatever its heartbeats say: steps go elsewhere until it answers again.
 */

import type { Membership, WorkerStatus } from '../shared/control-plane/control-plane.js';
import { asGolddiffError } from '../shared/errors.js';
import { PROBE_AGAIN_MS, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS, WORKER_LEASE_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import type { ChannelTls } from '../shared/rpc/channel-tls.js';
import { WorkerLink } from './worker-link.js';

export interface SuspectCheckSettings {
  readonly membership: Membership;
  readonly workerOf: (workerId: string) => WorkerStatus | undefined;
  /** a live worker does not answer this coordinator, or does again */
  readonly onReach: (workerId: string, reached: boolean) => void;
  readonly log: Logger;
  /** absent = plain text */
  readonly tls?: ChannelTls | undefined;
  /** silence after which a worker is out of reach */
  readonly silentMs?: number;
}

const REFUSALS = 2;

type Answer = 'answered' | 'refused' | 'silent' | { readonly tlsFailure: string };

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
  async #check({ workerId, instanceId, address }: WorkerStatus): Promise<boolean> {
    const { membership, workerOf, onReach, log, silentMs = WORKER_LEASE_MS } = this.settings;
    const link = new WorkerLink(workerId, address, this.settings.tls);
    const sinceMs = performance.now();
    let refusals = 0;
    let reached = true;
    let tlsFailure: string | undefined;
    try {
      while (!this.#stopped && workerOf(workerId)?.instanceId === instanceId) {
        const answer = await answerOf(link);
        if (this.#stopped) return false;
        if (answer === 'answered') {
          if (!reached) log.info({ workerId, address }, 'worker answers again');
          return false;
        }
        // Its process lives and may be let in by others: it is no death.
        if (typeof answer === 'object' && answer.tlsFailure !== tlsFailure)
          log.error({ workerId, address, reason: (tlsFailure = answer.tlsFailure) }, 'a worker cannot be reached over TLS');
        if (answer === 'refused' && ++refusals === REFUSALS) {
          log.warn({ workerId, address }, 'worker left: its address refuses connections');
          await membership.remove(workerId);
          return true;
        }
        if (reached && performance.now() - sinceMs >= silentMs) {
          log.warn({ workerId, address }, 'worker does not answer, though it lives: steps go elsewhere');
          onReach(workerId, (reached = false));
        }
        await new Promise((resolve) => setTimeout(resolve, reached ? PROBE_AGAIN_MS : PROBE_INTERVAL_MS));
      }
      return false;
    } catch (thrown) {
      log.debug({ workerId, code: asGolddiffError(thrown).code }, 'a suspect was not taken off');
      return false;
    } finally {
      link.close();
      if (!reached) onReach(workerId, true);
    }
  }
}

function answerOf(link: WorkerLink): Promise<Answer> {
  return link.describe(PROBE_TIMEOUT_MS).then(
    (): Answer => 'answered',
    (thrown: unknown): Answer => {
      const { code, message } = asGolddiffError(thrown);
      if (code === 'TLS_FAILED') return { tlsFailure: message };
      // A worker that stands still may go on.
      return code === 'WORKER_LOST' ? 'refused' : 'silent';
    },
  );
}
