import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ValueStatistics } from '../../../client/import/value-statistics.js';

test('8-bit rows have the exact mean and variance in data units', () => {
  const statistics = new ValueStatistics(2, 'u8');
  statistics.add(Uint8Array.of(0, 255, 255, 255));
  statistics.add(Uint8Array.of(51, 255));
  const { mean, variance } = statistics.moments(3);
  assert.deepEqual(
    [...mean].map((value) => value.toFixed(14)),
    [(102 / 127.5 - 1).toFixed(14), '1.00000000000000'],
  );
  // ((0-102)^2 + (255-102)^2 + (51-102)^2) / 3 = 12,138
  assert.ok(Math.abs(variance[0]! - 12_138 / 127.5 ** 2) < 1e-15);
  assert.equal(variance[1], 0);
});

test('a variance far below the mean is not lost to cancellation with many 8-bit rows', () => {
  const rows = 4_000_000_000;
  // One row of 254 among rows of 255, by its sums.
  const state = { sum: Float64Array.of(255 * rows - 1), sumOfSquares: Float64Array.of(65_025 * (rows - 1) + 64_516) };
  const { variance } = new ValueStatistics(1, 'u8', state).moments(rows);
  const exact = ((1 / rows) * (1 - 1 / rows)) / 127.5 ** 2;
  assert.ok(Math.abs(variance[0]! / exact - 1) < 1e-12, `${variance[0]} against ${exact}`);
});

test('32-bit rows agree with a two-pass variance', (t) => {
  const width = 3;
  const values = Float32Array.from({ length: 3000 }, (_, i) => Math.sin(i * i));
  const statistics = new ValueStatistics(width, 'f32');
  statistics.add(values.subarray(0, 999));
  statistics.add(values.subarray(999));
  const { mean, variance } = statistics.moments(1000);
  let largest = 0;
  for (let j = 0; j < width; j++) {
    const column = Array.from({ length: 1000 }, (_, row) => values[row * width + j]!);
    const m = column.reduce((sum, value) => sum + value, 0) / 1000;
    const v = column.reduce((sum, value) => sum + (value - m) ** 2, 0) / 1000;
    largest = Math.max(largest, Math.abs(mean[j]! - m), Math.abs(variance[j]! - v));
  }
  t.diagnostic(`largest error ${largest}`);
  // 1,000 additions of values below 1 in double: 1e3 * 2^-53.
  assert.ok(largest < 1.2e-13);
});
