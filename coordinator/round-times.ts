/**
 * How long workers take to answer a round of a step, by kind of round: the newest answers of each kind, and a percentile of them. Rounds are told apart by what
 * makes them long (see roundKind), so that a screen of one query is not measured by the sums of a hundred.
 */

import { HEDGE_SAMPLES, HEDGE_SAMPLES_MIN, ROUND_KINDS_MAX } from '../shared/limits.js';
import type { StepPlan } from './step-plan.js';
import type { ScreenStageName } from './worker-step.js';

/** What is asked of the workers at once, and waited for. */
export type RoundStage = 'OPEN' | 'PROOFS' | ScreenStageName | 'SCALARS' | 'SUMS' | 'GROUPS' | 'BLOCKS';

/** Answers between two looks at the percentile: it moves slowly, and a sort for each answer would be felt. */
const LOOK_EVERY = 16;

interface Samples {
  readonly ms: Float64Array;
  count: number;
  /** NaN = to be found anew */
  percentileMs: number;
}

export class RoundTimes {
  readonly #kinds = new Map<string, Samples>();

  /** @param percentile in (0, 100) */
  constructor(private readonly percentile: number) {}

  note(kind: string, ms: number): void {
    let samples = this.#kinds.get(kind);
    if (samples === undefined) {
      const [oldest] = this.#kinds.keys();
      if (this.#kinds.size >= ROUND_KINDS_MAX && oldest !== undefined) this.#kinds.delete(oldest);
      this.#kinds.set(kind, (samples = { ms: new Float64Array(HEDGE_SAMPLES), count: 0, percentileMs: NaN }));
    }
    samples.ms[samples.count++ % HEDGE_SAMPLES] = ms;
    if (samples.count % LOOK_EVERY === 0) samples.percentileMs = NaN;
  }

  /** Milliseconds; undefined while too few answers have been seen. */
  late(kind: string): number | undefined {
    const samples = this.#kinds.get(kind);
    if (samples === undefined || samples.count < HEDGE_SAMPLES_MIN) return undefined;
    if (Number.isNaN(samples.percentileMs)) {
      const sorted = samples.ms.slice(0, Math.min(samples.count, HEDGE_SAMPLES)).sort();
      samples.percentileMs = sorted[Math.ceil((this.percentile / 100) * sorted.length) - 1]!;
    }
    return samples.percentileMs;
  }
}

/** What makes the rounds of a step long, to the next power of two, beside its stage. */
export function roundKind({ batch, golden, denoiser, blockRows }: Pick<StepPlan, 'batch' | 'golden' | 'denoiser' | 'blockRows'>): string {
  const size = (rows: number): number => Math.ceil(Math.log2(Math.max(1, rows)));
  const pool = golden === undefined ? 'all' : String(size(Math.max(...golden.pool)));
  const groups = denoiser.route === 'groups' ? denoiser.groups : 1;
  return `${size(batch)} ${pool} ${groups} ${blockRows === undefined ? 'rows' : 'blocks'}`;
}
