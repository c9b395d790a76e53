import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { partitionRows, RowPermutation } from '../../../client/import/row-permutation.js';

test('every position is taken exactly once, for any number of rows and any seed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.maxSafeNat(), (rows, seed) => {
      const permutation = new RowPermutation(rows, seed);
      const seen = new Uint8Array(rows);
      for (let row = 0; row < rows; row++) seen[permutation.position(row)]!++;
      assert.ok(seen.every((count) => count === 1));
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('partitions differ by at most one row, and the rows dealt to each are as many as stated', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (rows, share, seed) => {
      const partitions = 1 + Math.floor(share * (rows - 1));
      const permutation = new RowPermutation(rows, seed);
      const counts = new Array<number>(partitions).fill(0);
      for (let row = 0; row < rows; row++) counts[permutation.partition(row, partitions)]!++;
      assert.deepEqual(
        counts,
        counts.map((_, id) => partitionRows(rows, partitions, id)),
      );
      assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
    }),
    { numRuns: 60, seed: 1 },
  );
});

test('the largest data set keeps positions and partitions in range', () => {
  const rows = 2 ** 32 - 1;
  const permutation = new RowPermutation(rows, Number.MAX_SAFE_INTEGER);
  for (const row of [0, 1, 2 ** 31, rows - 1]) {
    const position = permutation.position(row);
    assert.ok(position >= 0 && position < rows && Number.isInteger(position));
    const partition = permutation.partition(row, 65_536);
    assert.ok(position >= Math.floor((partition * rows) / 65_536) && position < Math.floor(((partition + 1) * rows) / 65_536));
  }
});

test('the seed decides, also in its high bits, and neighbours are not kept together', () => {
  const deal = (seed: number) => Array.from({ length: 1000 }, (_, row) => new RowPermutation(1000, seed).partition(row, 4)).join('');
  assert.equal(deal(7), deal(7));
  assert.notEqual(deal(7), deal(8));
  assert.notEqual(deal(7), deal(7 + 2 ** 32));
  const permutation = new RowPermutation(60_000, 0);
  // 60,000 rows in order of 10 blocks of 6,000: each of 16 partitions should get about 375 rows of each block, sd 18.
  let largest = 0;
  for (let block = 0; block < 10; block++) {
    const counts = new Array<number>(16).fill(0);
    for (let row = block * 6000; row < (block + 1) * 6000; row++) counts[permutation.partition(row, 16)]!++;
    for (const count of counts) largest = Math.max(largest, Math.abs(count - 375) / 18);
  }
  // 160 draws: 5 standard deviations have a chance of 1e-4.
  assert.ok(largest < 5, `${largest} standard deviations`);
});
