import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findGoldenSubset, type ForEachWorker } from '../../coordinator/golden-search.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import type { WorkerStep } from '../../coordinator/worker-step.js';
import { rankWindow, type RankWindow, type ScreenKeys } from '../../shared/math/rank-selection.js';

/** A worker that holds sorted keys of one query and answers every stage with those that pass the cuts so far, whose stages share one key. */
function workerOf(partition: number, keys: readonly number[], asked: string[]): WorkerStep {
  const screen = async (
    stage: string,
    cuts: { key?: (number | string)[] }[],
    ranks: { fractions: Float64Array } | { windows: RankWindow[] },
  ): Promise<ScreenKeys[]> => {
    asked.push(stage);
    const passing = keys.filter((key) => cuts.every((cut) => key <= Number(cut.key![0])));
    const { firstRank, count } = 'fractions' in ranks ? rankWindow(ranks.fractions[0]!, passing.length) : ranks.windows[0]!;
    const sent = passing.slice(firstRank, firstRank + count);
    return [
      {
        partition,
        queries: [0],
        eligible: [passing.length],
        firstRank: [firstRank],
        count: [count],
        keys: Float64Array.from(sent),
        rowIds: Uint32Array.from(sent),
      },
    ];
  };
  return { partitions: [partition], screen } as unknown as WorkerStep;
}

function planFor(eligible: number, presample: number, pool: number, subset: number): StepPlan {
  const of = (n: number): Float64Array => Float64Array.of(n);
  return { batch: 1, eligible: of(eligible), golden: { presample: of(presample), pool: of(pool), subset: of(subset) } } as unknown as StepPlan;
}

const keys = Array.from({ length: 1_000 }, (_, i) => i);
function search(plan: StepPlan, split: (key: number) => number) {
  const asked: string[] = [];
  const workers = [0, 1, 2].map((p) =>
    workerOf(
      p,
      keys.filter((key) => split(key) === p),
      asked,
    ),
  );
  const forEach: ForEachWorker = (_stage, fn) => Promise.all(workers.map(fn));
  return findGoldenSubset(plan, forEach).then((subset) => ({ subset, asked }));
}

test('each stage is cut among the rows that passed the one before', async () => {
  const { subset, asked } = await search(planFor(1_000, 700, 300, 40), (key) => key % 3);
  assert.deepEqual(
    subset.cuts.map((cut) => [cut.stage, cut.key![0]]),
    [
      ['PRESAMPLE_HASH', 699],
      ['PROXY_DISTANCE', 299],
      ['FULL_DISTANCE', 39],
    ],
  );
  assert.equal(subset.eligible[0], 1_000);
  assert.equal(subset.lastDistance[0], 39);
  assert.equal(asked.length, 9);
});

test('rows that are not shuffled take more rounds and give the same cuts', async () => {
  const { subset, asked } = await search(planFor(1_000, 700, 300, 40), (key) => Math.floor(key / 334));
  assert.deepEqual(
    subset.cuts.map((cut) => cut.key![0]),
    [699, 299, 39],
  );
  assert.ok(asked.length > 9);
});

test('stages that let every row pass are not asked for', async () => {
  const { subset, asked } = await search(planFor(1_000, 1_000, 300, 40), (key) => key % 3);
  assert.deepEqual(
    subset.cuts.map((cut) => cut.stage),
    ['PROXY_DISTANCE', 'FULL_DISTANCE'],
  );
  assert.ok(!asked.includes('PRESAMPLE_HASH'));
  const all = await search(planFor(1_000, 1_000, 1_000, 1_000), (key) => key % 3);
  assert.deepEqual([all.subset.cuts, all.asked, all.subset.lastDistance[0]], [[], [], Infinity]);
  assert.ok(Number.isNaN(all.subset.eligible[0]));
});

test('rows that an index searched count as eligible, not only the candidates that it found', async () => {
  const asked: string[] = [];
  const worker = workerOf(0, keys, asked);
  const searched = { partitions: [0], screen: async (...args: Parameters<WorkerStep['screen']>) => (await worker.screen(...args)).map(fewer) };
  const fewer = (part: ScreenKeys): ScreenKeys => ({ ...part, eligible: [500], searchedRows: 1_000 });
  const subset = await findGoldenSubset(planFor(1_000, 1_000, 300, 40), (_stage, fn) => Promise.all([fn(searched as unknown as WorkerStep)]));
  assert.equal(subset.eligible[0], 1_000);
  assert.deepEqual(
    subset.cuts.map((cut) => cut.key![0]),
    [299, 39],
  );
});

test('where the pool is the subset the last stage still finds its farthest row', async () => {
  const { subset } = await search(planFor(1_000, 1_000, 40, 40), (key) => key % 3);
  assert.equal(subset.cuts[1]!.key![0], Infinity);
  assert.equal(subset.lastDistance[0], 39);
});
