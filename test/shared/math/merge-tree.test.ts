import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { coveringNodes, mergeUp, nodeKey, partitionsUnder, rootLevel } from '../../../shared/math/merge-tree.js';

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test('an aligned block is one node, and the whole is the root', () => {
  assert.deepEqual(coveringNodes(range(16), range(16)), [{ level: 4, index: 0 }]);
  assert.deepEqual(coveringNodes([4, 5, 6, 7], range(16)), [{ level: 2, index: 1 }]);
  assert.deepEqual(coveringNodes([3], range(16)), [{ level: 0, index: 3 }]);
  assert.deepEqual(coveringNodes([], range(16)), []);
});

test('a block at a ragged end counts as whole', () => {
  assert.deepEqual(coveringNodes([4], range(5)), [{ level: 2, index: 1 }]);
  assert.deepEqual(coveringNodes(range(5), range(5)), [{ level: 3, index: 0 }]);
});

test('covering nodes are disjoint and cover exactly what is held', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(40), { minLength: 1 }), fc.func(fc.boolean()), (ids, pick) => {
      const present = [...ids].sort((a, b) => a - b);
      const held = present.filter((p) => pick(p));
      const covered = coveringNodes(held, present).flatMap((n) => partitionsUnder(n, present));
      assert.deepEqual(
        [...covered].sort((a, b) => a - b),
        held,
      );
    }),
    { seed: 3 },
  );
});

test('values merge along one bracketing for any placement and any order of arrival', () => {
  const merge = (a: string, b: string): string => `(${a}${b})`;
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 21 }), fc.integer({ min: 1, max: 8 }), fc.infiniteStream(fc.nat()), (count, workers, dice) => {
      const present = range(count);
      const root = { level: rootLevel(present), index: 0 };
      const leaves = new Map(present.map((p) => [nodeKey({ level: 0, index: p }), `${p},`] as const));
      const want = mergeUp(leaves, root, merge);
      const held: number[][] = range(workers).map(() => []);
      for (const p of present) held[Number(dice.next().value) % workers]!.push(p);
      const nodes = held.flatMap((h) => coveringNodes(h, present).map((n) => [nodeKey(n), mergeUp(leaves, n, merge)!] as const));
      nodes.sort(() => (Number(dice.next().value) % 2 ? 1 : -1));
      assert.equal(mergeUp(new Map(nodes), root, merge), want);
    }),
    { seed: 5 },
  );
});

test('the root level is the smallest that covers the last partition', () => {
  assert.deepEqual([[0], range(2), range(3), range(8), range(9)].map(rootLevel), [0, 1, 2, 3, 4]);
});

test('a node without partitions has no value', () => {
  assert.equal(
    mergeUp(new Map<string, string>(), { level: 3, index: 0 }, (a) => a),
    undefined,
  );
});
