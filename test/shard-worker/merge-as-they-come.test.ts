import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeAsTheyCome } from '../../shard-worker/merge-as-they-come.js';
import { mergeMoments, type MomentSums } from '../../shared/math/moment-sums.js';

/** Partition p has p + 1 rows, and a sum that shows in which order floats were added. */
const momentsOf = (p: number): MomentSums => ({ rows: p + 1, sum: Float64Array.of(1 / (p + 3)), products: Float64Array.of(p) });

async function nodesOf(held: number[], present: number[], sideBySide = 2) {
  const nodes: { level: number; index: number; rows: number; sum: number }[] = [];
  for await (const { node, value } of mergeAsTheyCome(held, present, sideBySide, (p) => Promise.resolve(momentsOf(p)), mergeMoments))
    nodes.push({ ...node, rows: value.rows, sum: value.sum[0]! });
  return nodes;
}

test('nodes are the fewest aligned ones, each merged left to right along the tree', async () => {
  const present = [0, 1, 2, 3, 4, 5];
  assert.deepEqual(await nodesOf([0, 1, 2, 3], present), [{ level: 2, index: 0, rows: 10, sum: 1 / 3 + 1 / 4 + (1 / 5 + 1 / 6) }]);
  assert.deepEqual(await nodesOf([1, 4, 5], present), [
    { level: 0, index: 1, rows: 2, sum: 1 / 4 },
    { level: 2, index: 1, rows: 11, sum: 1 / 7 + 1 / 8 },
  ]);
});

test('no more partitions than asked for are computed at once, and one that fails fails all', async () => {
  let running = 0;
  let most = 0;
  const slow = async (p: number): Promise<MomentSums> => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    return momentsOf(p);
  };
  const ids = Array.from({ length: 16 }, (_, i) => i);
  for await (const { value } of mergeAsTheyCome(ids, ids, 3, slow, mergeMoments)) assert.equal(value.rows, 136);
  assert.equal(most, 3);
  const failing = mergeAsTheyCome(ids, ids, 3, (p) => (p === 9 ? Promise.reject(new Error('gone')) : slow(p)), mergeMoments);
  await assert.rejects(failing.next(), /gone/);
});
