import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VALUE_MAPS } from '../../../shared/dataset/manifest-validation.js';
import {
  covarianceOf,
  decodeMoments,
  emptyMoments,
  encodeMoments,
  mergeMoments,
  packedLength,
  type MomentSums,
} from '../../../shared/math/moment-sums.js';
import { seeded } from '../../shard-worker/backends/generated-partition.js';

const D = 5;

function rowsOf(count: number, eightBit: boolean): number[][] {
  const random = seeded(11);
  return Array.from({ length: count }, () =>
    Array.from({ length: D }, (_, p) => (p === 3 ? (eightBit ? 200 : 0.1) : eightBit ? Math.floor(random() * 256) : random() * 2 - 1)),
  );
}

function momentsOf(rows: readonly number[][]): MomentSums {
  const moments = emptyMoments(D);
  for (const row of rows)
    for (let p = 0; p < D; p++) {
      moments.sum[p]! += row[p]!;
      for (let q = 0; q <= p; q++) moments.products[packedLength(p) + q]! += row[p]! * row[q]!;
    }
  return { ...moments, rows: rows.length };
}

for (const dtype of ['u8', 'f32'] as const) {
  const valueMap = VALUE_MAPS[dtype];
  test(`mean and covariance of ${dtype} rows are those of two passes, and a constant value has none at all`, (t) => {
    const rows = rowsOf(301, dtype === 'u8');
    const { mean, covariance } = covarianceOf(momentsOf(rows), { dtype, valueMap });
    const y = rows.map((row) => row.map((v) => v * valueMap.scale + valueMap.offset));
    let worst = 0;
    for (let p = 0; p < D; p++) {
      const mp = y.reduce((sum, row) => sum + row[p]!, 0) / y.length;
      worst = Math.max(worst, Math.abs(mean[p]! - mp));
      for (let q = 0; q < D; q++) {
        const mq = y.reduce((sum, row) => sum + row[q]!, 0) / y.length;
        const want = y.reduce((sum, row) => sum + (row[p]! - mp) * (row[q]! - mq), 0) / (y.length - 1);
        worst = Math.max(worst, Math.abs(covariance[p * D + q]! - want));
        assert.equal(covariance[p * D + q], covariance[q * D + p]);
        if (p === 3 || q === 3) assert.equal(covariance[p * D + q], 0);
      }
    }
    t.diagnostic(`largest difference ${worst.toExponential(2)}`);
    assert.ok(worst < 1e-13, `${worst}`);
  });
}

test('a byte that varies in one row of a million is not constant', () => {
  const n = 1_000_000;
  const sum = Float64Array.of(255 * n - 1);
  const products = Float64Array.of(255 * 255 * (n - 1) + 254 * 254);
  const { covariance } = covarianceOf({ rows: n, sum, products }, { dtype: 'u8', valueMap: VALUE_MAPS.u8 });
  const want = 1 / n / 127.5 ** 2;
  assert.ok(Math.abs(covariance[0]! - want) < 1e-3 * want, `${covariance[0]} against ${want}`);
});

test('sums add over any sets of rows, and byte sums to the same bits', () => {
  const rows = rowsOf(90, true);
  const whole = momentsOf(rows);
  const merged = mergeMoments(mergeMoments(momentsOf(rows.slice(40)), emptyMoments(D)), momentsOf(rows.slice(0, 40)));
  assert.deepEqual(merged, whole);
});

test('fewer than two rows have no covariance', () => {
  for (const count of [0, 1])
    assert.ok(covarianceOf(momentsOf(rowsOf(count, true)), { dtype: 'u8', valueMap: VALUE_MAPS.u8 }).covariance.every((c) => c === 0));
});

test('bytes and back', () => {
  const moments = momentsOf(rowsOf(7, false));
  assert.deepEqual(decodeMoments(7, D, encodeMoments(moments)), moments);
  assert.throws(() => decodeMoments(7, D + 1, encodeMoments(moments)), /Invariant/);
});
