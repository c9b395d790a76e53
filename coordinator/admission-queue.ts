/**
 * Places for steps. More steps at once would only share the same workers, so the rest wait, first come first served, and beyond the bound of the
 * queue a caller is told when to come back.
 *
 * A sampling run takes a place for every step anew, so that a short score is not stuck behind a long run. Once begun it is not turned away: it waits
 * like the others, and as each run has one waiter at most, the queue is bounded by the runs that were let in.
 */

import { GolddiffError, invariant } from '../shared/errors.js';
import { QUEUE_RETRY_AFTER_MS } from '../shared/limits.js';

export interface AdmissionLimits {
  readonly runningMax: number;
  readonly waitingMax: number;
}

export interface Place {
  /** time spent waiting */
  readonly queueMs: number;
  /** Gives the place to the next in line. Idempotent. */
  release(): void;
}

interface Waiter {
  /** by performance.now() */
  readonly sinceMs: number;
  grant(): void;
}

export class AdmissionQueue {
  #running = 0;
  readonly #waiters = new Set<Waiter>();

  constructor(readonly limits: AdmissionLimits) {
    invariant(limits.runningMax >= 1, 'somebody must be able to run');
  }

  get running(): number {
    return this.#running;
  }
  get waiting(): number {
    return this.#waiters.size;
  }
  /** How long the first in line has waited; 0 = nobody waits. */
  get longestWaitMs(): number {
    const [first] = this.#waiters;
    return first === undefined ? 0 : performance.now() - first.sinceMs;
  }

  /**
   * Resolves with a place when it is the caller's turn. Rejects with QUEUE_FULL and a time to come back, or with the signal's reason as
   * CANCELLED or DEADLINE_EXCEEDED. `continuing` = part of work that was let in before.
   */
  acquire(signal?: AbortSignal, continuing = false): Promise<Place> {
    if (signal?.aborted) return Promise.reject(abortReason(signal));
    if (this.#running < this.limits.runningMax && this.#waiters.size === 0) {
      this.#running++;
      return Promise.resolve(this.#place(0));
    }
    if (!continuing && this.#waiters.size >= this.limits.waitingMax) {
      const message = `The queue is full: ${this.#running} steps run and ${this.#waiters.size} wait; try again in ${QUEUE_RETRY_AFTER_MS} ms`;
      return Promise.reject(new GolddiffError('QUEUE_FULL', message, { retryAfterMs: QUEUE_RETRY_AFTER_MS }));
    }
    const sinceMs = performance.now();
    return new Promise<Place>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiters.delete(waiter);
        reject(abortReason(signal!));
      };
      const waiter: Waiter = {
        sinceMs,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(this.#place(performance.now() - sinceMs));
        },
      };
      this.#waiters.add(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #place(queueMs: number): Place {
    let held = true;
    return {
      queueMs,
      release: () => {
        if (!held) return;
        held = false;
        const [next] = this.#waiters;
        if (next === undefined) {
          this.#running--;
          return;
        }
        this.#waiters.delete(next);
        next.grant();
      },
    };
  }
}

/** Why a signal fired, as one of ours. */
export function abortReason(signal: AbortSignal): GolddiffError {
  const reason: unknown = signal.reason;
  if (reason instanceof GolddiffError) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new GolddiffError('DEADLINE_EXCEEDED', 'The deadline passed before the answer was ready');
  return new GolddiffError('CANCELLED', 'The call was cancelled');
}
