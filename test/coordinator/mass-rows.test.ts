import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeHistograms, rowsOfShare } from '../../coordinator/mass-rows.js';
import { HISTOGRAM_BINS } from '../../shared/limits.js';

function histogram(batch: number, entries: readonly [b: number, bin: number, rows: number, mass: number][]) {
  const rows = new Float64Array(batch * HISTOGRAM_BINS);
  const mass = new Float64Array(batch * HISTOGRAM_BINS);
  for (const [b, bin, r, m] of entries) {
    rows[b * HISTOGRAM_BINS + bin] = r;
    mass[b * HISTOGRAM_BINS + bin] = m;
  }
  return { rows, mass };
}

test('one row that holds everything is one row at any share', () => {
  const one = histogram(1, [[0, 0, 1, 1]]);
  for (const share of [0.01, 0.5, 0.99]) assert.equal(rowsOfShare(one, 0, share, 1), 1);
});

test('rows are counted from the heaviest and interpolated inside a bin', () => {
  const two = histogram(2, [
    [1, 0, 4, 4],
    [1, 32, 20, 6],
  ]);
  assert.equal(rowsOfShare(two, 1, 0.3, 10), 3);
  assert.equal(rowsOfShare(two, 1, 0.4, 10), 4);
  assert.equal(rowsOfShare(two, 1, 0.7, 10), 14);
});

test('a share that lies below the last bin counts all rows of the histogram', () => {
  assert.equal(rowsOfShare(histogram(1, [[0, 0, 5, 5]]), 0, 0.99, 10), 5);
});

test('histograms add', () => {
  const sum = mergeHistograms(histogram(1, [[0, 3, 1, 0.5]]), histogram(1, [[0, 3, 2, 0.25]]));
  assert.deepEqual([sum.rows[3], sum.mass[3]], [3, 0.75]);
});
