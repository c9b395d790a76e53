/**
 * Golden steps with an error budget: a query whose bound on the mass left out is above it is answered again with twice the rows in every stage, and over all
 * its rows once that would be most of them, or once the bounds so far say that doubling will not get there. The other queries keep their answers.
 *
 * It ends: every round at least doubles the subset of each query that is left, and one that has had all its rows is done, whatever its bound. A deadline
 * counts for all rounds together: when it passes, the step fails rather than answer above its budget.
 */

import type { StepAnswer } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import { subBatch, withAnswers } from './sub-batch.js';

/** What it took to meet the budget. */
export type BudgetOutcome = 'held' | 'raised' | 'exact';

export interface BudgetedAnswer {
  readonly answer: StepAnswer;
  /** [B]; [] without a budget */
  readonly outcomes: readonly BudgetOutcome[];
}

/** A subset of more than this share of the rows saves less than another round may cost. */
const SUBSET_SHARE_MAX = 0.5;

/** @param run answers a plan; what it throws ends all */
export async function answerWithinBudget(plan: StepPlan, run: (plan: StepPlan) => Promise<StepAnswer>): Promise<BudgetedAnswer> {
  let answer = await run(plan);
  const { maxTailMass: budget, golden, eligible } = plan;
  if (budget === undefined || golden === undefined) return { answer, outcomes: [] };
  const sizes = { presample: golden.presample.slice(), pool: golden.pool.slice(), subset: golden.subset.slice() };
  const outcomes = new Array<BudgetOutcome>(plan.batch).fill('held');
  const before: (number | undefined)[] = new Array<undefined>(plan.batch).fill(undefined);
  for (;;) {
    const over = outcomes.flatMap((outcome, b) => (outcome !== 'exact' && answer.tailMassBound[b]! > budget ? [b] : []));
    if (over.length === 0) return { answer, outcomes };
    for (const b of over) {
      const bound = answer.tailMassBound[b]!;
      const rows = eligible[b]!;
      const doublings = doublingsNeeded(before[b], bound, budget);
      before[b] = bound;
      const all = sizes.subset[b]! * 2 ** doublings > SUBSET_SHARE_MAX * rows;
      outcomes[b] = all ? 'exact' : 'raised';
      for (const stage of [sizes.presample, sizes.pool, sizes.subset]) stage[b] = all ? rows : Math.min(rows, 2 * stage[b]!);
    }
    const next = subBatch({ ...plan, golden: { ...golden, ...sizes } }, over);
    answer = withAnswers(plan, answer, over, await run(next));
  }
}

/** How often a subset must double, if the bound goes on to shrink as it did at the last doubling; 1 where there was none yet, Infinity where it did not shrink. */
function doublingsNeeded(before: number | undefined, bound: number, budget: number): number {
  if (before === undefined) return 1;
  return bound < before ? Math.max(1, Math.ceil(Math.log(bound / budget) / Math.log(before / bound))) : Infinity;
}
