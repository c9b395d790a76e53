import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupsParts, momentsParts } from '../../shard-worker/grouped-replies.js';
import { DATA_PLANE_CHUNK_BYTES } from '../../shared/limits.js';
import { emptyGroupedPartial, encodeGrouped } from '../../shared/math/grouped-partial.js';
import { emptyMoments, encodeMoments } from '../../shared/math/moment-sums.js';

const node = { level: 1, index: 3 };

test('a partial goes in pieces of a chunk, its rows with the first', () => {
  const partial = emptyGroupedPartial(20, 784, 784);
  partial.mass.forEach((_, i) => (partial.mass[i] = i));
  partial.rows.fill(7);
  const parts = groupsParts(node, partial);
  assert.equal(parts.length, Math.ceil((20 * 784 * 36) / DATA_PLANE_CHUNK_BYTES));
  assert.ok(parts.every(({ level, index, data }) => level === 1 && index === 3 && data.length <= DATA_PLANE_CHUNK_BYTES));
  assert.deepEqual(
    parts.map(({ rows }) => rows?.length),
    [20, ...parts.slice(1).map(() => 0)],
  );
  assert.deepEqual(new Uint8Array(Buffer.concat(parts.map(({ data }) => data))), encodeGrouped(partial));
});

test('moments too; small ones are one piece', () => {
  const moments = { ...emptyMoments(400), rows: 12 };
  moments.products.forEach((_, i) => (moments.products[i] = i));
  const parts = momentsParts(node, moments);
  assert.ok(parts.length > 1);
  assert.deepEqual(
    parts.map(({ rows }) => rows),
    [12, ...parts.slice(1).map(() => 0)],
  );
  assert.deepEqual(new Uint8Array(Buffer.concat(parts.map(({ data }) => data as Buffer))), encodeMoments(moments));
  assert.equal(momentsParts(node, emptyMoments(2)).length, 1);
});
