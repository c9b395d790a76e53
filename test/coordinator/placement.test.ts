import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { blockSize, computePlacement, type PlacedPartition } from '../../coordinator/placement.js';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const workers = (n: number): string[] => range(n).map((i) => `worker-${i}`);

function loads(placement: readonly PlacedPartition[]): Map<string, number> {
  const load = new Map<string, number>();
  for (const { replicas } of placement) for (const id of replicas) load.set(id, (load.get(id) ?? 0) + 1);
  return load;
}
const moved = (before: readonly PlacedPartition[], after: readonly PlacedPartition[]): number =>
  after.reduce((n, p, i) => n + p.replicas.filter((id) => !before[i]!.replicas.includes(id)).length, 0);

for (const count of [1, 2, 3, 5, 8, 16]) {
  test(`16 partitions spread evenly over ${count} workers`, () => {
    const load = loads(computePlacement({ partitions: range(16), workers: workers(count), replicas: 1 }));
    assert.equal(load.size, count);
    const size = blockSize(16, count);
    assert.ok(Math.max(...load.values()) - Math.min(...load.values()) <= size);
  });
}

test('the order of the workers does not matter', () => {
  const input = { partitions: range(32), workers: workers(5), replicas: 2 };
  assert.deepEqual(computePlacement(input), computePlacement({ ...input, workers: workers(5).reverse() }));
});

test('blocks are aligned powers of two with one set of replicas each', () => {
  assert.equal(blockSize(64, 3), 4);
  const placement = computePlacement({ partitions: range(64), workers: workers(3), replicas: 2 });
  for (let block = 0; block < 16; block++) {
    assert.equal(new Set(placement.slice(block * 4, block * 4 + 4).map((p) => p.replicas.join())).size, 1);
  }
});

test('without replicas each worker gets one aligned block where that is balance, and partitions spread again when a worker is lost', () => {
  for (const [P, W] of [
    [16, 4],
    [16, 1],
    [64, 8],
    [8, 8],
  ] as const) {
    const placement = computePlacement({ partitions: range(P), workers: workers(W), replicas: 1 });
    const firsts = placement.filter(({ partition }) => partition % (P / W) === 0).map(({ replicas }) => replicas.join());
    assert.equal(new Set(firsts).size, W);
    placement.forEach(({ replicas }, partition) => assert.equal(replicas.join(), firsts[Math.floor((partition * W) / P)]));
  }
  const before = computePlacement({ partitions: range(16), workers: workers(4), replicas: 1 });
  const after = computePlacement({ partitions: range(16), workers: workers(3), replicas: 1, previous: before });
  assert.equal(moved(before, after), 4);
  assert.deepEqual([...loads(after).values()].sort(), [5, 5, 6]);
});

test('every partition has as many different replicas as are wanted and there are workers, in balance', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 5 }), (P, W, R) => {
      const placement = computePlacement({ partitions: range(P), workers: workers(W), replicas: R });
      assert.equal(placement.length, P);
      for (const { replicas } of placement) {
        assert.equal(replicas.length, Math.min(R, W));
        assert.equal(new Set(replicas).size, replicas.length);
      }
      if (P >= W) assert.equal(loads(placement).size, W);
    }),
  );
});

test('with the same workers nothing moves', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 3 }), (P, W, R) => {
      const input = { partitions: range(P), workers: workers(W), replicas: R };
      const before = computePlacement(input);
      assert.deepEqual(computePlacement({ ...input, previous: before }), before);
    }),
  );
});

test('at the death of a worker only its partitions move', () => {
  const input = { partitions: range(16), replicas: 1 };
  const before = computePlacement({ ...input, workers: workers(4) });
  const after = computePlacement({ ...input, workers: workers(4).slice(1), previous: before });
  const lost = before.filter((p) => p.replicas[0] === 'worker-0').length;
  assert.equal(moved(before, after), lost);
  assert.ok(Math.max(...loads(after).values()) <= 6);
});

test('a worker that joins gets its share and nothing else moves', () => {
  const input = { partitions: range(16), replicas: 1 };
  const before = computePlacement({ ...input, workers: workers(3) });
  const after = computePlacement({ ...input, workers: workers(4), previous: before });
  assert.equal(loads(after).get('worker-3'), 4);
  assert.equal(moved(before, after), 4);
});

test('a partition that a worker refused goes to another, and to none where all refuse', () => {
  const input = { partitions: range(16), workers: workers(3), replicas: 1 };
  const before = computePlacement(input);
  const holder = before[5]!.replicas[0]!;
  const after = computePlacement({ ...input, previous: before, refused: (p, id) => p === 5 && id === holder });
  assert.equal(after[5]!.replicas.length, 1);
  assert.notEqual(after[5]!.replicas[0], holder);
  const none = computePlacement({ ...input, previous: before, refused: (p) => p === 5 });
  assert.deepEqual(none[5]!.replicas, []);
  assert.ok(none.every((p) => p.partition === 5 || p.replicas.length === 1));
});

test('without workers every partition is without replicas', () => {
  assert.deepEqual(computePlacement({ partitions: [0, 1], workers: [], replicas: 1 }), [
    { partition: 0, replicas: [] },
    { partition: 1, replicas: [] },
  ]);
});

test('no worker gets more bytes than its budget, and what fits somewhere is placed', () => {
  const budget = new Map([
    ['worker-0', 30],
    ['worker-1', 100],
    ['worker-2', 200],
  ]);
  const input = { partitions: range(16), workers: workers(3), replicas: 1, bytes: () => 15, budgetBytes: (id: string) => budget.get(id)! };
  const placement = computePlacement(input);
  assert.ok(placement.every((p) => p.replicas.length === 1));
  for (const [id, count] of loads(placement)) assert.ok(count * 15 <= budget.get(id)!, `${id} has ${count}`);
  assert.deepEqual(computePlacement({ ...input, previous: placement }), placement, 'and stays there');
  const tight = computePlacement({ ...input, budgetBytes: () => 60 });
  assert.equal(tight.filter((p) => p.replicas.length === 1).length, 12, 'the rest is missing');
});
