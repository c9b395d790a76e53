import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForEachWorker } from '../../coordinator/golden-search.js';
import { proveQueries, withProven } from '../../coordinator/pool-proofs.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import type { WorkerStep } from '../../coordinator/worker-step.js';
import type { PoolProofs } from '../../shared/math/pool-proof.js';

const ROWS = 1_000;
const B = 3;

const planOf = (change: Record<string, unknown> = {}): StepPlan =>
  ({
    batch: B,
    eligible: new Float64Array(B).fill(ROWS),
    sigma: Float64Array.of(1, 2, 3),
    temperature: 1,
    manifest: { partitions: [{ rows: 600 }, { rows: 400 }] },
    golden: {
      search: 'SEARCH_AUTO',
      presample: new Float64Array(B).fill(ROWS),
      pool: Float64Array.of(600, 600, 150),
      subset: Float64Array.of(100, 100, 100),
      ...change,
    },
  }) as unknown as StepPlan;

/** Two workers that saw all their rows, `relevant` of which matter to each query. */
function workers(relevant: readonly number[], asked: number[][] = []): ForEachWorker {
  const of = (partition: number, rows: number): WorkerStep => {
    const each = (value: number): number[] => new Array<number>(B).fill(value);
    const proofs: PoolProofs = {
      eligible: each(rows),
      relevant: [...relevant],
      relevantKey: each(7),
      unseenKey: each(Infinity),
      rank: each(rows / 4),
      least: each(8),
      most: each(9),
    };
    const scalars = {
      maxLogit: Float64Array.of(-1, -2, -3),
      mass: new Float64Array(B),
      massSq: new Float64Array(B),
      rows: new Float64Array(B).fill(4),
    };
    return {
      partitions: [partition],
      relevant: async (share: readonly number[]) => {
        asked.push([...share]);
        return { scalars: new Map([[`node ${partition}`, scalars]]), proofs: [proofs] };
      },
    } as unknown as WorkerStep;
  };
  return (_stage, fn) => Promise.all([of(0, 600), of(1, 400)].map(fn));
}

test('queries that are proven need no cuts, the others keep theirs', async () => {
  const asked: number[][] = [];
  const proven = (await proveQueries(planOf(), true, workers([10, 70, 1], asked)))!;
  assert.deepEqual(asked, [
    [0.6, 0.6, 0],
    [0.6, 0.6, 0],
  ]);
  assert.deepEqual(proven.poolShare, [0.6, 0, 0], '140 rows of query 1 matter, and its subset is 100');
  assert.deepEqual([...proven.rest.golden!.pool], [ROWS, 600, 150]);
  assert.deepEqual([...proven.rest.golden!.subset], [ROWS, 100, 100]);
  assert.equal(proven.scalars, undefined, 'scalars are asked for again, with the cuts of the others');
});

test('where all are proven their scalars are the answer', async () => {
  const plan = planOf({ pool: new Float64Array(B).fill(600) });
  const proven = (await proveQueries(plan, true, workers([10, 20, 50])))!;
  assert.deepEqual(proven.poolShare, [0.6, 0.6, 0.6]);
  assert.deepEqual([...proven.scalars!.keys()], ['node 0', 'node 1']);
});

test('nobody is asked where a method is named, rows are missing, or the noise is high; a worker without proofs ends the matter', async () => {
  const asked: number[][] = [];
  const forEach = workers([1, 1, 1], asked);
  assert.equal(await proveQueries(planOf({ search: 'SEARCH_SCAN' }), true, forEach), undefined);
  assert.equal(await proveQueries(planOf({ search: 'SEARCH_HNSW' }), true, forEach), undefined);
  assert.equal(await proveQueries(planOf(), false, forEach), undefined);
  assert.equal(await proveQueries(planOf({ pool: new Float64Array(B).fill(200) }), true, forEach), undefined);
  assert.equal(await proveQueries({ ...planOf(), golden: undefined }, true, forEach), undefined);
  assert.equal(asked.length, 0);
  const without: ForEachWorker = (_stage, fn) => Promise.all([fn({ relevant: async () => undefined } as unknown as WorkerStep)]);
  assert.equal(await proveQueries(planOf(), true, without), undefined);
});

test('a proven query has the planned subset, whose last row is beyond what matters to the smallest partition', () => {
  const scalars = { maxLogit: Float64Array.of(-5, -6, -7), mass: new Float64Array(B), massSq: new Float64Array(B), rows: Float64Array.of(4, 90, 80) };
  const told = withProven(
    planOf(),
    { poolShare: [0.6, 0, 0.6], rest: planOf(), scalars: undefined },
    { scalars, lastDistance: Float64Array.of(1, 2, 3) },
  );
  assert.deepEqual([...told.scalars.rows], [100, 90, 100]);
  assert.equal(told.lastDistance[1], 2);
  assert.ok(Math.abs(told.lastDistance[0]! - (Math.log(400) + 24 * Math.LN2 + 5) * 2) < 1e-9);
  assert.ok(Math.abs(told.lastDistance[2]! - (Math.log(400) + 24 * Math.LN2 + 7) * 18) < 1e-9);
});
