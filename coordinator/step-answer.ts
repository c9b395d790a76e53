/** The answer of a step from what was merged over all partitions. Pure, in double. SCIENCE sections 1, 4 and 5. */

import { GolddiffError, argumentError } from '../shared/errors.js';
import { MASS_TOLERANCE_DEFAULT } from '../shared/limits.js';
import type { PosteriorScalars, PosteriorSums } from '../shared/math/partial-posterior.js';
import { rowsOfShare, type MergedHistogram } from './mass-rows.js';
import type { StepPlan } from './step-plan.js';

export interface StepCoverage {
  readonly rowsReached: number;
  readonly rowsTotal: number;
  /** in (0, 1] */
  readonly fraction: number;
  readonly missingPartitions: number[];
}

/** Milliseconds; see proto Timings. */
export interface StepTimings {
  totalMs: number;
  queueMs: number;
  scatterMs: number;
  screenMs: number;
  aggregateMs: number;
  mergeMs: number;
  workerComputeMs: number;
}

export interface StepMassRows {
  readonly rows50: number[];
  readonly rows90: number[];
  readonly rows99: number[];
}

/** How far a bound can be trusted; the weakest first. */
const KINDS = ['HEURISTIC', 'CERTIFIED', 'EXACT'] as const;
export type TailMassKind = (typeof KINDS)[number];

/** What can be said of all of them. */
export function weakestKind(kinds: readonly TailMassKind[]): TailMassKind {
  return KINDS.find((kind) => kinds.includes(kind)) ?? 'EXACT';
}

/** Arrays are [B] but x0hat, which is [B, D]. */
export interface StepAnswer {
  readonly x0hat: Float64Array;
  readonly logEvidence: number[];
  readonly logZ: number[];
  readonly effectiveSupport: number[];
  readonly maxWeight: number[];
  readonly goldenRows: number[];
  readonly tailMassBound: number[];
  readonly tailMassKinds: TailMassKind[];
  /** the weakest of them */
  readonly tailMassKind: TailMassKind;
  readonly massRows: StepMassRows | undefined;
  readonly coverage: StepCoverage;
  readonly timings: StepTimings;
}

/** What the workers' partials came to at the root of the tree. */
export interface MergedStep {
  readonly scalars: PosteriorScalars;
  readonly sums: PosteriorSums;
  /** [B] share of the mass that was left out of the weighted sums */
  readonly skippedShare: Float64Array;
  readonly histogram: MergedHistogram | undefined;
  /** [B] eligible rows in the partitions reached */
  readonly eligible: Float64Array;
  /** [B] golden: squared distance of the last row inside; Infinity = every eligible row is inside */
  readonly lastDistance: Float64Array | undefined;
  readonly coverage: StepCoverage;
}

/**
 * @throws ARGUMENT_INVALID where a query is so far from the data that every weight vanishes in double; PARTITION_MISSING where no partition that was
 *   reached has a row of a query's label
 */
export function formAnswer(plan: StepPlan, merged: MergedStep, timings: StepTimings): StepAnswer {
  const { batch: B, dim: D } = plan;
  const { scalars } = merged;
  checkWeights(plan, merged);
  const kinds = kindsOf(plan, merged);
  const answer: StepAnswer = {
    x0hat: posteriorMean(B, D, scalars, merged.sums),
    logEvidence: [],
    logZ: [],
    effectiveSupport: [],
    maxWeight: [],
    goldenRows: [...scalars.rows],
    tailMassBound: [],
    tailMassKinds: kinds,
    tailMassKind: weakestKind(kinds),
    massRows: merged.histogram && massRowsOf(B, merged.histogram, scalars.mass),
    coverage: merged.coverage,
    timings,
  };
  for (let b = 0; b < B; b++) {
    const S = scalars.mass[b]!;
    const rows = scalars.rows[b]!;
    const logZ = scalars.maxLogit[b]! + Math.log(S);
    answer.logZ.push(logZ);
    answer.logEvidence.push(logZ - Math.log(merged.eligible[b]!) - (D / 2) * Math.log(2 * Math.PI * plan.sigma[b]! ** 2));
    // Rounding may put either end of the range one ulp outside.
    answer.effectiveSupport.push(Math.min(rows, Math.max(1, S ** 2 / scalars.massSq[b]!)));
    answer.maxWeight.push(Math.min(1, 1 / S));
    answer.tailMassBound.push(Math.min(1, merged.skippedShare[b]! + unscoredShare(plan, merged, b)));
  }
  return answer;
}

/** Every row scored or proven: exact at the default tolerance or below, certified above. Rows that were only not chosen: heuristic. */
function kindsOf(plan: StepPlan, { scalars, eligible }: MergedStep): TailMassKind[] {
  const scanned = (plan.tolerance ?? 0) > MASS_TOLERANCE_DEFAULT ? 'CERTIFIED' : 'EXACT';
  return Array.from(scalars.rows, (rows, b) => (rows >= eligible[b]! ? scanned : 'HEURISTIC'));
}

/** x0hat = Y / S in double; a query without sums had no share anywhere, which a positive mass rules out. */
function posteriorMean(B: number, D: number, scalars: PosteriorScalars, sums: PosteriorSums): Float64Array {
  const x0hat = new Float64Array(B * D);
  sums.queries.forEach((b, k) => {
    const S = scalars.mass[b]!;
    for (let p = 0; p < D; p++) x0hat[b * D + p] = sums.sums[k * D + p]! / S;
  });
  return x0hat;
}

/**
 * tau <= T / (Z + T). A row that reached the cuts and did not pass counts with the logit of the last row inside: right if the rows inside are the nearest. One
 * that the pre-sample left out was never looked at and may be the nearest of all: nothing is known of its logit but that it is at most 0.
 */
function unscoredShare(plan: StepPlan, merged: MergedStep, b: number): number {
  const unscored = merged.eligible[b]! - merged.scalars.rows[b]!;
  if (merged.lastDistance === undefined || unscored <= 0) return 0;
  const unseen = Math.max(0, merged.eligible[b]! - (plan.golden?.presample[b] ?? Infinity));
  const best = merged.scalars.maxLogit[b]!;
  const lastLogit = -merged.lastDistance[b]! / (2 * plan.sigma[b]! ** 2 * plan.temperature);
  const tail = (unscored - unseen) * Math.exp(Math.min(0, lastLogit - best)) + (unseen > 0 ? unseen * Math.exp(-best) : 0);
  return 1 / (1 + merged.scalars.mass[b]! / tail);
}

function massRowsOf(B: number, histogram: MergedHistogram, mass: Float64Array): StepMassRows {
  const of = (share: number): number[] => Array.from({ length: B }, (_, b) => rowsOfShare(histogram, b, share, mass[b]!));
  return { rows50: of(0.5), rows90: of(0.9), rows99: of(0.99) };
}

/** @throws PARTITION_MISSING where no partition that was reached has a row of a query's label. @param rows [B] rows in the sums */
export function checkReached(plan: StepPlan, rows: Float64Array, coverage: StepCoverage): void {
  const b = rows.indexOf(0);
  if (b < 0) return;
  const message = `No row of label ${plan.labels?.[b] ?? -1} (query ${b}) is in the partitions that were reached`;
  throw new GolddiffError('PARTITION_MISSING', message, { partitions: coverage.missingPartitions });
}

function checkWeights(plan: StepPlan, { scalars, coverage }: MergedStep): void {
  checkReached(plan, scalars.rows, coverage);
  for (let b = 0; b < plan.batch; b++) {
    const logit = scalars.maxLogit[b]!;
    const mass = scalars.mass[b]!;
    if (Number.isFinite(logit) && Number.isFinite(mass) && mass > 0) continue;
    throw argumentError(`x[${b}]`, 'a query near enough to the data for its weights to be numbers', `a largest logit of ${logit}`);
  }
}
