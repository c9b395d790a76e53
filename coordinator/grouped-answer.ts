/**
 * The answer of a step whose weights belong to groups. Pure, in double. x0hat_p = Y_p / S of p's group; the statistics of a query are reduced over its
 * groups: evidence, log Z and effective support as means, the largest weight and the bound on the mass left out as the worst. A group of values that are
 * the same in every row counts in none of them, since no weight matters there.
 *
 * Rows are chosen by the distance of all values and weighed by that of the group's voters, so what is left out is guessed from the least logit inside:
 * right only if no row outside is nearer in a group than the farthest one inside. SCIENCE sections 3 and 5.
 */

import { argumentError } from '../shared/errors.js';
import type { GroupedPartial } from '../shared/math/grouped-partial.js';
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
  const { batch: B, dim: D } = plan;
  const { groups: G } = precision;
  const { partial, eligible, coverage } = merged;
  checkReached(plan, partial.rows, coverage);
  checkWeights(plan, partial, G);
  const x0hat = new Float64Array(B * D);
  for (let b = 0; b < B; b++) {
    for (let p = 0; p < D; p++) x0hat[b * D + p] = partial.sums[b * D + p]! / partial.mass[b * G + (p % G)]!;
  }
  const kinds = Array.from(partial.rows, (rows, b): TailMassKind => (rows >= eligible[b]! ? 'EXACT' : 'HEURISTIC'));
  const each = Array.from({ length: B }, (_, b) => reduced(plan, precision, merged, b));
  return {
    x0hat,
    logEvidence: each.map((query) => query.logEvidence),
    logZ: each.map((query) => query.logZ),
    effectiveSupport: each.map((query) => query.effectiveSupport),
    maxWeight: each.map((query) => query.maxWeight),
    goldenRows: [...partial.rows],
    tailMassBound: each.map((query) => query.tail),
    tailMassKinds: kinds,
    tailMassKind: weakestKind(kinds),
    massRows: undefined,
    coverage,
    timings,
  };
}

function reduced(plan: StepPlan, precision: ReadyPrecision, { partial, eligible }: MergedGroups, b: number) {
  const { groups: G, kinds, of } = precision;
  const { voters, constant } = kinds[of[b]!]!;
  const rows = partial.rows[b]!;
  const unscored = Math.max(0, eligible[b]! - rows);
  const perVoter = Math.log(2 * Math.PI * plan.sigma[b]! ** 2) / 2;
  let counted = 0;
  let logZ = 0;
  let logEvidence = 0;
  let support = 0;
  let maxWeight = 0;
  let tail = 0;
  for (let g = 0; g < G; g++) {
    if (constant[g] === 1) continue;
    const i = b * G + g;
    const mass = partial.mass[i]!;
    const left = unscored * Math.exp(partial.minLogit[i]! - partial.maxLogit[i]!);
    tail = Math.max(tail, left / (mass + left));
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
    logZ: none ? Math.log(rows) : logZ / counted,
    logEvidence: (none ? Math.log(rows) : logEvidence / counted) - Math.log(eligible[b]!),
    effectiveSupport: none ? rows : Math.min(rows, Math.max(1, support / counted)),
    maxWeight: none ? 1 / rows : Math.min(1, maxWeight),
    tail: Math.min(1, tail),
  };
}

function checkWeights(plan: StepPlan, { maxLogit, mass }: GroupedPartial, G: number): void {
  const at = maxLogit.findIndex((logit, i) => !(Number.isFinite(logit) && mass[i]! > 0 && mass[i]! < Infinity));
  if (at < 0) return;
  const b = Math.floor(at / G);
  throw argumentError(`x[${b}]`, 'a query near enough to the data for its weights to be numbers', `a largest logit of ${maxLogit[at]}`);
}
