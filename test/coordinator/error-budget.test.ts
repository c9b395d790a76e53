import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerWithinBudget } from '../../coordinator/error-budget.js';
import { coverageOf } from '../../coordinator/step-assignments.js';
import { weakestKind, type StepAnswer, type TailMassKind } from '../../coordinator/step-answer.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { GolddiffError } from '../../shared/errors.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 1000, partitions: 2, shape: [1, 1, 2] });
const ROWS = 1000;

function planOf(subset: readonly number[], maxTailMass?: number): StepPlan {
  const B = subset.length;
  return {
    manifest,
    batch: B,
    dim: 2,
    x: Float64Array.from({ length: 2 * B }, (_, i) => Math.floor(i / 2)),
    xDtype: 'F32',
    alpha: new Float64Array(B).fill(1),
    sigma: new Float64Array(B).fill(1),
    temperature: 1,
    labels: undefined,
    eligible: new Float64Array(B).fill(ROWS),
    golden: {
      proxyResolution: 1,
      search: 'SEARCH_SCAN',
      presampleSeed: 0,
      presampleStep: 0,
      queryIds: Uint32Array.from(subset, (_, b) => b),
      presample: new Float64Array(B).fill(ROWS),
      pool: Float64Array.from(subset, (k) => Math.min(ROWS, 3 * k)),
      subset: Float64Array.from(subset),
    },
    denoiser: { route: 'rows' },
    ...(maxTailMass !== undefined && { maxTailMass }),
    massRows: false,
    allowPartial: false,
  };
}

/** Answers with the bound that a size has, and with x and the size in x0hat, so that a mixed-up query is seen. */
function answering(boundOf: (query: number, rows: number) => number, plans: StepPlan[] = []) {
  return (plan: StepPlan): Promise<StepAnswer> => {
    plans.push(plan);
    const rows = [...plan.golden!.subset];
    const ids = [...plan.golden!.queryIds];
    const kinds = rows.map((k): TailMassKind => (k >= ROWS ? 'EXACT' : 'HEURISTIC'));
    return Promise.resolve({
      x0hat: Float64Array.from(rows.flatMap((k, i) => [plan.x[2 * i]!, k])),
      logEvidence: rows,
      logZ: rows,
      effectiveSupport: rows,
      maxWeight: rows,
      goldenRows: rows,
      tailMassBound: rows.map((k, i) => boundOf(ids[i]!, k)),
      tailMassKinds: kinds,
      tailMassKind: weakestKind(kinds),
      massRows: undefined,
      coverage: coverageOf(manifest, []),
      timings: { totalMs: 1, queueMs: 0, scatterMs: 1, screenMs: 1, aggregateMs: 1, mergeMs: 1, workerComputeMs: 1 },
    });
  };
}

test('without a budget, and within one, a step is run once', async () => {
  const plans: StepPlan[] = [];
  const loose = await answerWithinBudget(
    planOf([10, 20]),
    answering(() => 0.9, plans),
  );
  assert.deepEqual(loose.outcomes, []);
  const within = await answerWithinBudget(
    planOf([10, 20], 0.5),
    answering(() => 0.5, plans),
  );
  assert.deepEqual(within.outcomes, ['held', 'held']);
  assert.equal(plans.length, 2);
});

test('only the queries above it are raised, each as far as it needs, and a subset of most rows becomes all', async () => {
  const plans: StepPlan[] = [];
  // Query 0 holds at once, 1 at 40 rows, 2 only with all rows, 3 starts above half of them.
  const holdsAt = [10, 40, ROWS, ROWS];
  const bound = (query: number, rows: number): number => (rows >= holdsAt[query]! ? (rows >= ROWS ? 0 : 0.09) : 1 - 0.001 * rows);
  const { answer, outcomes } = await answerWithinBudget(planOf([10, 20, 20, 600], 0.1), answering(bound, plans));
  assert.deepEqual(outcomes, ['held', 'raised', 'exact', 'exact']);
  assert.deepEqual(answer.goldenRows, [10, 40, ROWS, ROWS]);
  assert.deepEqual([...answer.x0hat], [0, 10, 1, 40, 2, ROWS, 3, ROWS]);
  assert.deepEqual(answer.tailMassKinds, ['HEURISTIC', 'HEURISTIC', 'EXACT', 'EXACT']);
  assert.equal(answer.tailMassKind, 'HEURISTIC');
  // The bound of query 2 hardly moved with twice the rows: the next round is over all of them.
  assert.deepEqual(
    plans.map((plan) => [...plan.golden!.queryIds].map((id, i) => [id, plan.golden!.subset[i], plan.golden!.pool[i], plan.golden!.presample[i]])),
    [
      [
        [0, 10, 30, 1000],
        [1, 20, 60, 1000],
        [2, 20, 60, 1000],
        [3, 600, 1000, 1000],
      ],
      [
        [1, 40, 120, 1000],
        [2, 40, 120, 1000],
        [3, 1000, 1000, 1000],
      ],
      [[2, 1000, 1000, 1000]],
    ],
  );
  assert.equal(answer.timings.totalMs, 3);
});

test('it ends for any bounds: no query is asked more often than its subset can double, and what is above the budget has all rows', async () => {
  const cases = fc.record({
    subset: fc.array(fc.integer({ min: 1, max: ROWS }), { minLength: 1, maxLength: 5 }),
    budget: fc.double({ min: 1e-9, max: 0.99, noNaN: true }),
    bounds: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 60, maxLength: 60 }),
  });
  await fc.assert(
    fc.asyncProperty(cases, async ({ subset, budget, bounds }) => {
      let asked = 0;
      const plans: StepPlan[] = [];
      const { answer, outcomes } = await answerWithinBudget(
        planOf(subset, budget),
        answering(() => bounds[asked++ % bounds.length]!, plans),
      );
      assert.ok(plans.length <= 2 + Math.log2(ROWS));
      answer.tailMassBound.forEach((bound, b) => assert.ok(bound <= budget || (outcomes[b] === 'exact' && answer.goldenRows[b] === ROWS)));
    }),
  );
});

test('a failure in a later round, such as a passed deadline, ends the step', async () => {
  let rounds = 0;
  const run = answering(() => 0.9);
  const late = (plan: StepPlan): Promise<StepAnswer> => (rounds++ === 0 ? run(plan) : Promise.reject(new GolddiffError('DEADLINE_EXCEEDED', 'late')));
  await assert.rejects(answerWithinBudget(planOf([10], 0.1), late), { code: 'DEADLINE_EXCEEDED' });
  assert.equal(rounds, 2);
});
