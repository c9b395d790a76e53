import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mergeHistograms, mergeLeaves } from '../../shard-worker/merge-leaves.js';
import { mergeUp, nodeKey, rootLevel } from '../../shared/math/merge-tree.js';

test('leaves merged on any placement and merged up again give the one tree', async () => {
  const ids = fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(ids, fc.array(fc.nat(3), { minLength: 41, maxLength: 41 }), async (chosen, owner) => {
      const present = [...chosen].sort((a, b) => a - b);
      const merge = (left: string, right: string): string => `(${left} ${right})`;
      const root = { level: rootLevel(present), index: 0 };
      const whole = mergeUp(new Map(present.map((id) => [nodeKey({ level: 0, index: id }), String(id)])), root, merge);
      const nodes = new Map<string, string>();
      for (const worker of [0, 1, 2, 3]) {
        const leaves = new Map(present.filter((id) => owner[id] === worker).map((id) => [id, String(id)]));
        let pauses = 0;
        for (const { node, value } of await mergeLeaves(leaves, present, merge, async () => void pauses++)) nodes.set(nodeKey(node), value);
        assert.ok(pauses <= Math.max(0, leaves.size - 1));
      }
      assert.equal(mergeUp(nodes, root, merge), whole);
    }),
    { seed: 5, numRuns: 100 },
  );
});

test('histograms add bin by bin', () => {
  const h = (n: number) => ({ rows: Uint32Array.of(n, 1), mass: Float64Array.of(n / 2, 0) });
  assert.deepStrictEqual(mergeHistograms(h(1), h(3)), { rows: Uint32Array.of(4, 2), mass: Float64Array.of(2, 0) });
});
