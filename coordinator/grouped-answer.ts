/**
 * The answer of a step whose weights belong to groups. Pure, in double. x0hat_p = Y_p / S of p's group; the statistics of a query are reduced over its
 * groups: evidence, log Z and effective support as means, the largest weight and the bound on what is left out as the worst. A group of values that are
 * the same in every row counts in none of them, since no weight matters there. The bound is proven, value by value: grouped-bound.ts.
 */

import { argumentError } from '../shared/errors.js';
import { groupedMean, type GroupedPartial } from '../shared/math/grouped-partial.js';
import { leftOut, type ValueRange } from './grouped-bound.js';
import { checkReached, weakestKind, type StepAnswer, type StepCoverage, type StepTimings, type TailMassKind } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import type { ReadyPrecision } from './step-precision.js';

export interface MergedGroups {
  readonly partial: GroupedPartial;
  /** [B] eligible rows in the partitions reached */
  readonly eligible: Float64Array;
  readonly coverage: StepCoverage;
}

/** @throws ARGUMENT_INVALID, PARTITION_MISSING as formAnswer */
export function formGroupedAnswer(plan: StepPlan, precision: ReadyPrecision, merged: MergedGroups, timings: StepTimings): StepAnswer {
  const { batch: B } = plan;
  const { groups: G } = precision;
  const { partial, eligible, coverage } = merged;
  checkReached(plan, partial.rows, coverage);
  checkWeights(plan, partial, G);
  const x0hat = groupedMean(partial);
  const kinds = Array.from(partial.rows, (rows, b): TailMassKind => (rows >= eligible[b]! ? 'EXACT' : 'CERTIFIED'));
  const each = Array.from({ length: B }, (_, b) => reduced(plan, precision, merged, b));
  const range = rangeOf(plan);
  return {
    x0hat,
    logEvidence: each.map((query) => query.logEvidence),
    logZ: each.map((query) => query.logZ),
    effectiveSupport: each.map((query) => query.effectiveSupport),
    maxWeight: each.map((query) => query.maxWeight),
    goldenRows: [...partial.rows],
    tailMassBound: kinds.map((kind, b) => (kind === 'EXACT' ? 0 : worstLeftOut(plan, precision, merged, x0hat, range, b))),
    tailMassKinds: kinds,
    tailMassKind: weakestKind(kinds),
    massRows: undefined,
    coverage,
    timings,
  };
}

function reduced(plan: StepPlan, precision: ReadyPrecision, { partial, eligible }: MergedGroups, b: number) {
  const { groups: G, kinds, of } = precision;
  const { voters, constant, weightsPerRow } = kinds[of[b]!]!;
  const weights = partial.rows[b]! * weightsPerRow;
  const perVoter = Math.log(2 * Math.PI * plan.sigma[b]! ** 2) / 2;
  let counted = 0;
  let logZ = 0;
  let logEvidence = 0;
  let support = 0;
  let maxWeight = 0;
  for (let g = 0; g < G; g++) {
    if (constant[g] === 1) continue;
    const i = b * G + g;
    const mass = partial.mass[i]!;
    if (voters[g] === 0) continue;
    counted++;
    const own = partial.maxLogit[i]! + Math.log(mass);
    logZ += own;
    logEvidence += own - voters[g]! * perVoter;
    support += mass ** 2 / partial.massSq[i]!;
    maxWeight = Math.max(maxWeight, 1 / mass);
  }
  // Without a group that anything votes for all rows weigh the same.
  const none = counted === 0;
  return {
    logZ: none ? Math.log(weights) : logZ / counted,
    logEvidence: (none ? Math.log(weights) : logEvidence / counted) - Math.log(eligible[b]! * weightsPerRow),
    effectiveSupport: none ? weights : Math.min(weights, Math.max(1, support / counted)),
    maxWeight: none ? 1 / weights : Math.min(1, maxWeight),
  };
}

/** Of the data set: bytes lie in [-1, 1], floats anywhere. */
function rangeOf({ manifest }: StepPlan): ValueRange | undefined {
  return manifest.dtype === 'u8' ? { low: -1, high: 1 } : undefined;
}

/** The worst of query b's values. */
function worstLeftOut(
  plan: StepPlan,
  { groups: G, kinds, of }: ReadyPrecision,
  { partial, eligible }: MergedGroups,
  x0hat: Float64Array,
  range: ValueRange | undefined,
  b: number,
): number {
  const { dim: D, x, temperature } = plan;
  const { constant, votesForItself, weightsPerRow } = kinds[of[b]!]!;
  const alpha = plan.alpha[b]!;
  const width = (plan.sigma[b]! * Math.sqrt(temperature)) / alpha;
  const logUnscored = Math.log((eligible[b]! - partial.rows[b]!) * weightsPerRow);
  let worst = 0;
  for (let p = 0; p < D; p++) {
    const g = p % G;
    if (constant[g] === 1) continue;
    const i = b * G + g;
    const logOutside = logUnscored - partial.maxLogit[i]! - Math.log(partial.mass[i]!);
    const value = { logOutside, mean: x0hat[b * D + p]!, centre: x[b * D + p]! / alpha, width, votes: votesForItself[p] === 1 };
    worst = Math.max(worst, leftOut(value, range));
  }
  return worst;
}

function checkWeights(plan: StepPlan, { maxLogit, mass }: GroupedPartial, G: number): void {
  const at = maxLogit.findIndex((logit, i) => !(Number.isFinite(logit) && mass[i]! > 0 && mass[i]! < Infinity));
  if (at < 0) return;
  const b = Math.floor(at / G);
  throw argumentError(`x[${b}]`, 'a query near enough to the data for its weights to be numbers', `a largest logit of ${maxLogit[at]}`);
}
