/**
 * How slow each worker is against the others of the same rounds: a moving average of its time over theirs, which says the same of short rounds and long ones. One
 * that is not asked any more, since others are faster, is forgiven by and by, and so is tried again. One that was given up, since a hedge was faster, may hang: it is
 * left alone for a moment, and each time that it is given up again for twice as long, until it answers.
 */

import {
  GIVEN_UP_FOR_MS,
  GIVEN_UP_FOR_MS_MAX,
  SLOWNESS_HALF_LIFE_MS,
  SLOWNESS_IGNORED,
  SLOWNESS_MAX,
  SLOWNESS_TIME_FLOOR_MS,
} from '../shared/limits.js';

/** Weight of a new time in the average. */
const WEIGHT = 0.2;
/** Of one that was not waited for to the end, which says less of how late it is than that it is: more, and as no less than this. */
const WEIGHT_GIVEN_UP = 0.5;
const GIVEN_UP_RATIO = 4;

/** The average after a round. @param typicalMs what the others took */
export function nextSlowness(before: number, ms: number, typicalMs: number, givenUp = false): number {
  const ratio = (ms + SLOWNESS_TIME_FLOOR_MS) / (typicalMs + SLOWNESS_TIME_FLOOR_MS);
  const bounded = Math.min(SLOWNESS_MAX, givenUp ? Math.max(GIVEN_UP_RATIO, ratio) : ratio);
  return before + (givenUp ? WEIGHT_GIVEN_UP : WEIGHT) * (bounded - before);
}

/** What is left of it after a time without a round. */
export function fadedSlowness(slowness: number, idleMs: number): number {
  return 1 + (slowness - 1) * 2 ** (-idleMs / SLOWNESS_HALF_LIFE_MS);
}

interface Known {
  slowness: number;
  /** of the last time */
  atMs: number;
  /** in a row, without an answer between them */
  givenUp: number;
  aloneUntilMs: number;
}

export class WorkerLatency {
  readonly #known = new Map<string, Known>();

  /** @param nowMs by performance.now() */
  note(workerId: string, ms: number, typicalMs: number, nowMs: number, givenUp = false): void {
    let known = this.#known.get(workerId);
    if (known === undefined) this.#known.set(workerId, (known = { slowness: 1, atMs: nowMs, givenUp: 0, aloneUntilMs: -Infinity }));
    known.slowness = nextSlowness(fadedSlowness(known.slowness, nowMs - known.atMs), ms, typicalMs, givenUp);
    known.atMs = nowMs;
    if (!givenUp) {
      known.givenUp = 0;
      known.aloneUntilMs = -Infinity;
    } else if (nowMs >= known.aloneUntilMs) {
      // Those that were under way at once count as one.
      known.aloneUntilMs = nowMs + Math.min(GIVEN_UP_FOR_MS_MAX, GIVEN_UP_FOR_MS * 2 ** known.givenUp++);
    }
  }

  /** What a row costs there, against a worker like the others: at least 1, and 1 where the difference may be chance. */
  cost(workerId: string, nowMs: number): number {
    const known = this.#known.get(workerId);
    if (known === undefined) return 1;
    if (nowMs < known.aloneUntilMs) return SLOWNESS_MAX;
    const slowness = fadedSlowness(known.slowness, nowMs - known.atMs);
    return slowness < SLOWNESS_IGNORED ? 1 : slowness;
  }

  /** The largest of these averages, as it has faded since; 1 where nobody is known. */
  slowest(nowMs: number): number {
    return Math.max(1, ...[...this.#known.values()].map(({ slowness, atMs }) => fadedSlowness(slowness, nowMs - atMs)));
  }

  /** Forgets workers that are gone. */
  keepOnly(workerIds: ReadonlySet<string>): void {
    for (const id of this.#known.keys()) if (!workerIds.has(id)) this.#known.delete(id);
  }
}
