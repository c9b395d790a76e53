/**
 * Clients that ask one question after the other while something breaks. Every answer must have the right bytes and cover every row, every error must be one that a
 * client is told to try again on; anything else ends the load as a failure.
 */

import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import { GolddiffError } from '../../shared/errors.js';
import { until } from '../support/until.js';
import { digestOf, type Question } from './questions.js';
import type { FaultFigures } from './fault.js';

const LANES = 3;
/** Beyond any fault, and beyond what a machine that does other things may take: an answer that takes longer is none. */
const ANSWER_TIMEOUT_MS = 300_000;
const AGAIN_MS = 50;
/** Slower than so many times the slow ones among those just before, and than this, an answer was delayed by the fault. */
const SLOW_TIMES = 3;
const SLOW_MS = 250;
/** So long without one that failed or was late, and the trouble is over. */
const QUIET_MS = 2_000;
const USUAL_ANSWERS = 60;
const USUAL_SHARE = 0.9;

interface Ended {
  readonly startMs: number;
  readonly endMs: number;
  /** undefined = answered */
  readonly code?: string;
}

export class Load {
  readonly #ended: Ended[] = [];
  readonly #lanes: Promise<void[]>;
  #broken: Error | undefined;
  #running = true;
  #faultMs = Infinity;

  /** @param endpoints coordinators; where one does not answer, a client goes to the next */
  constructor(
    endpoints: readonly string[] | (() => readonly string[]),
    private readonly asked: readonly Question[],
    lanes = LANES,
  ) {
    const list = typeof endpoints === 'function' ? endpoints : () => endpoints;
    this.#lanes = Promise.all(Array.from({ length: lanes }, (_, lane) => this.#ask(list, lane)));
  }

  get answers(): number {
    return this.#ended.filter(({ code }) => code === undefined).length;
  }

  /** Resolves when so many more have been answered. */
  async answered(more: number, withinMs = ANSWER_TIMEOUT_MS): Promise<void> {
    const enough = this.answers + more;
    await until(() => this.#broken !== undefined || this.answers >= enough, `${more} more answers`, withinMs);
    this.#throwIfBroken();
  }

  /** Something breaks now. */
  fault(): void {
    this.#faultMs = performance.now();
  }

  /** Ends it when everything that was asked has been answered. @throws what was wrong with an answer or an error */
  async stop(): Promise<Omit<FaultFigures, 'recoveredMs' | 'recovery' | 'notes'>> {
    this.#running = false;
    await this.#lanes;
    this.#throwIfBroken();
    const errors: Record<string, number> = {};
    for (const { code } of this.#ended) if (code !== undefined) errors[code] = (errors[code] ?? 0) + 1;
    const answered = this.#ended.filter(({ code }) => code === undefined);
    const before = answered.filter(({ endMs }) => endMs < this.#faultMs).slice(-USUAL_ANSWERS);
    const usual = before.map(timeOf).sort((a, b) => a - b)[Math.floor(USUAL_SHARE * before.length)] ?? Infinity;
    const after = this.#ended.filter(({ endMs }) => endMs >= this.#faultMs);
    const trouble = after.filter((each) => each.code !== undefined || timeOf(each) > Math.max(SLOW_MS, SLOW_TIMES * usual));
    let troubleEndMs = this.#faultMs;
    for (const { startMs, endMs } of trouble.sort((a, b) => a.startMs - b.startMs)) {
      if (startMs - troubleEndMs > QUIET_MS) break;
      troubleEndMs = Math.max(troubleEndMs, endMs);
    }
    return {
      answers: answered.length,
      errors,
      longestMs: Math.max(...answered.map(timeOf)),
      late: trouble.filter(({ code }) => code === undefined).length,
      troubleMs: Math.max(0, troubleEndMs - this.#faultMs),
    };
  }

  async #ask(endpoints: () => readonly string[], lane: number): Promise<void> {
    const clients = new Map<string, GolddiffClient>();
    let at = lane;
    try {
      for (let n = lane; this.#running && this.#broken === undefined; n++) {
        const list = endpoints();
        const endpoint = list[at % list.length]!;
        const client = clients.get(endpoint) ?? connect(endpoint, { timeoutMs: ANSWER_TIMEOUT_MS });
        clients.set(endpoint, client);
        const { input, expected } = this.asked[n % this.asked.length]!;
        const startMs = performance.now();
        const end = (code?: string): void => void this.#ended.push({ startMs, endMs: performance.now(), ...(code !== undefined && { code }) });
        try {
          const answer = await client.score(input);
          if (digestOf(answer) !== expected)
            throw new Error(`an answer has other bytes than an undisturbed one, coverage ${answer.coverage.fraction}`);
          end();
        } catch (thrown) {
          if (!(thrown instanceof GolddiffError) || !thrown.retryable) throw thrown;
          end(thrown.code);
          at++;
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
        }
      }
    } catch (thrown) {
      this.#broken ??= thrown instanceof Error ? thrown : new Error(String(thrown));
    } finally {
      clients.forEach((client) => client.close());
    }
  }

  #throwIfBroken(): void {
    if (this.#broken !== undefined) throw this.#broken;
  }
}

function timeOf({ startMs, endMs }: Ended): number {
  return endMs - startMs;
}
