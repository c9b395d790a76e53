/**
 * The answer of a step under the `wss` aggregator: x0hat is the mean over blocks of rows (shared/math/blocked-partial.ts), everything else that of one softmax over the
 * same rows. Pure, in double. No bound is given, 1 and HEURISTIC: the mean is off whatever rows it is over.
 */

import { blockedMean, type BlockedPartial } from '../shared/math/blocked-partial.js';
import { formGroupedAnswer } from './grouped-answer.js';
import { formAnswer, type StepAnswer, type StepCoverage, type StepTimings } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import type { ReadyPrecision } from './step-precision.js';

export interface MergedBlocks {
  readonly partial: BlockedPartial;
  /** [B] eligible rows in the partitions reached */
  readonly eligible: Float64Array;
  readonly coverage: StepCoverage;
}

/** @param precision undefined = one weight for each row. @throws ARGUMENT_INVALID, PARTITION_MISSING as formAnswer */
export function formBlockedAnswer(plan: StepPlan, precision: ReadyPrecision | undefined, merged: MergedBlocks, timings: StepTimings): StepAnswer {
  const { partial, eligible, coverage } = merged;
  const answer = precision
    ? formGroupedAnswer(plan, precision, { partial: partial.whole, eligible, coverage }, timings)
    : formAnswer(plan, rowsOf(plan, merged), timings);
  return {
    ...answer,
    x0hat: blockedMean(partial).mean,
    tailMassBound: new Array<number>(plan.batch).fill(1),
    tailMassKinds: new Array<'HEURISTIC'>(plan.batch).fill('HEURISTIC'),
    tailMassKind: 'HEURISTIC',
  };
}

/** The one group of a step with one weight for each row, as such a step has it. */
function rowsOf({ batch }: StepPlan, { partial, eligible, coverage }: MergedBlocks) {
  const { rows, maxLogit, mass, massSq, sums } = partial.whole;
  return {
    scalars: { rows, maxLogit, mass, massSq },
    sums: { queries: Uint32Array.from({ length: batch }, (_, b) => b), sums },
    skippedShare: new Float64Array(batch),
    histogram: undefined,
    eligible,
    lastDistance: undefined,
    coverage,
  };
}
