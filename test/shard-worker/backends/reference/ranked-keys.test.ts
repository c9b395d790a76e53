import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { rankedKeys, selectRank } from '../../../../shard-worker/backends/reference/ranked-keys.js';
import type { GolddiffError } from '../../../../shared/errors.js';

test('any window of any keys, with ties and lists of rows, is that of a full sort by (key, row id)', () => {
  const few = fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 60 });
  const many = fc.array(fc.double({ noNaN: true, min: 0 }), { maxLength: 200 });
  fc.assert(
    fc.property(fc.oneof(few, many), fc.nat(), fc.nat(), fc.boolean(), (values, a, b, listed) => {
      const n = values.length;
      const keys = Float64Array.from(values);
      const rows = listed ? Uint32Array.from(values, (_, i) => i * 2 + 1) : undefined;
      const rowIds = Uint32Array.from({ length: n * 2 + 2 }, (_, i) => (i * 7919) % 10_007);
      const firstRank = n === 0 ? 0 : a % n;
      const count = b % (n - firstRank + 1);
      const got = rankedKeys(keys, rows, rowIds, firstRank, count);
      const want = values
        .map((key, i) => ({ key, id: rowIds[rows ? rows[i]! : i]! }))
        .sort((p, q) => p.key - q.key || p.id - q.id)
        .slice(firstRank, firstRank + count);
      assert.deepEqual(
        [...got.keys],
        want.map((row) => row.key),
      );
      assert.deepEqual(
        [...got.rowIds],
        want.map((row) => row.id),
      );
      assert.deepEqual([...keys], values, 'the keys are left as they are');
    }),
    { seed: 11, numRuns: 500 },
  );
});

test('ranks that do not exist are refused', () => {
  const refused = (error: GolddiffError): boolean => error.code === 'ARGUMENT_INVALID' && error.data.field === 'screen.windows';
  assert.throws(() => rankedKeys(Float64Array.of(1, 2), undefined, Uint32Array.of(0, 1), 1, 2), refused);
  assert.throws(() => rankedKeys(new Float64Array(0), undefined, Uint32Array.of(), 0, 1), refused);
});

test('selection puts the rank in its place for ordered, reversed and equal values', () => {
  const n = 1000;
  for (const make of [(i: number) => i, (i: number) => n - i, () => 1, (i: number) => i % 3, (i: number) => Math.abs(i - 500)]) {
    const sorted = Float64Array.from({ length: n }, (_, i) => make(i)).sort();
    for (const rank of [0, 1, 499, 998, 999]) {
      const values = Float64Array.from({ length: n }, (_, i) => make(i));
      selectRank(values, 0, n, rank);
      assert.equal(values[rank], sorted[rank]);
      assert.ok(values.subarray(0, rank).every((v) => v <= sorted[rank]!) && values.subarray(rank).every((v) => v >= sorted[rank]!));
    }
  }
});
