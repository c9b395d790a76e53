/**
 * What a coordinator knows of its workers' times, over all its steps, and when it asks a second one: after the percentile of the times seen so far for such a round,
 * as long as there are tokens, and only if others have answered meanwhile: a round in which most are late is long, and none of them slow.
 */

import { HEDGE_COLD_DELAY_MS, HEDGE_TOKENS_SAVED } from '../shared/limits.js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import { HedgeBudget } from './hedge-budget.js';
import { RoundTimes, type RoundStage } from './round-times.js';
import { WorkerLatency } from './worker-latency.js';

export interface HedgeSettings {
  /** hedges for each hundred requests to workers; 0 = none */
  readonly budgetPercent: number;
  /** of the times of such rounds, in (0, 100) */
  readonly percentile: number;
  /** no hedge before this, whatever the percentile is */
  readonly delayMsMin: number;
}

export type HedgeMetrics = Pick<
  CoordinatorMetrics,
  'hedges' | 'hedgeWins' | 'hedgesDenied' | 'hedgeTokens' | 'workerAnswerSeconds' | 'stragglerSeconds'
>;

/** How long the first worker asked for some partitions took, or was waited for. */
export interface ShareTime {
  readonly workerId: string;
  readonly ms: number;
  /** a hedge was faster */
  readonly givenUp: boolean;
}

export class Hedging {
  readonly latency = new WorkerLatency();
  readonly #times: RoundTimes;
  readonly #budget: HedgeBudget;

  constructor(
    private readonly settings: HedgeSettings,
    private readonly metrics?: HedgeMetrics,
  ) {
    this.#times = new RoundTimes(settings.percentile);
    this.#budget = new HedgeBudget(settings.budgetPercent / 100, HEDGE_TOKENS_SAVED);
    metrics?.hedgeTokens.set(this.#budget.tokens);
  }

  /** When an answer is late, of a round that so many workers are asked in; undefined = nobody is hedged. */
  delayMs(kind: string, workers: number): number | undefined {
    if (this.settings.budgetPercent === 0) return undefined;
    // A worker alone in a round of an unknown kind has nothing to be late against.
    const late = this.#times.late(kind) ?? (workers > 1 ? HEDGE_COLD_DELAY_MS : undefined);
    return late === undefined ? undefined : Math.max(late, this.settings.delayMsMin);
  }

  /** A token for one hedge, if there is one. */
  take(): boolean {
    if (!this.#budget.take()) return false;
    this.metrics?.hedges.inc();
    this.metrics?.hedgeTokens.set(this.#budget.tokens);
    return true;
  }

  /** A hedge was due and is not made. */
  denied(reason: 'budget' | 'replicas'): void {
    this.metrics?.hedgesDenied.inc({ reason });
  }

  won(): void {
    this.metrics?.hedgeWins.inc();
  }

  /** A round is over. @param nowMs by performance.now(). @param stage what was asked */
  note(kind: string, times: readonly ShareTime[], nowMs: number, stage?: RoundStage): void {
    if (times.length === 0) return;
    this.#budget.earn(times.length);
    this.metrics?.hedgeTokens.set(this.#budget.tokens);
    for (const { ms } of times) {
      this.#times.note(kind, ms);
      if (stage !== undefined) this.metrics?.workerAnswerSeconds.observe({ stage }, ms / 1000);
    }
    if (times.length === 1) return;
    const sorted = times.map(({ ms }) => ms).sort((a, b) => a - b);
    const typicalMs = sorted[Math.floor((sorted.length - 1) / 2)]!;
    if (stage !== undefined) this.metrics?.stragglerSeconds.observe({ stage }, (sorted.at(-1)! - typicalMs) / 1000);
    for (const { workerId, ms, givenUp } of times) this.latency.note(workerId, ms, typicalMs, nowMs, givenUp);
  }
}
