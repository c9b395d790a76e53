import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localityMask, maskOfInverse } from '../../../coordinator/statistics/locality-mask.js';
import { nativeInverse } from '../../../coordinator/statistics/native-inverse.js';
import { factorise, inverseOf } from '../../../coordinator/statistics/spd-matrix.js';
import { encodeSupportSet } from '../../../shared/math/support-set.js';
import { skip } from '../../shard-worker/backends/native/addon-under-test.js';

/** Of smooth random rows: neighbours vary together. */
function covarianceOf(D: number): Float64Array {
  const out = new Float64Array(D * D);
  for (let p = 0; p < D; p++)
    for (let q = 0; q < D; q++) out[p * D + q] = Math.exp(-Math.abs(p - q) / 5) * (1 + 0.5 * Math.sin(p)) * (1 + 0.5 * Math.sin(q));
  return out;
}

test('the native inverse is that of the TypeScript solver, and so are the masks made of it', { skip }, async (t) => {
  for (const D of [1, 7, 196]) {
    const covariance = covarianceOf(D);
    const before = Float64Array.from(covariance);
    for (const ratio of [1e-4, 0.3, 50]) {
      const found = nativeInverse(2)!(covariance, ratio);
      const matrix = Float64Array.from(covariance);
      for (let p = 0; p < D; p++) matrix[p * D + p] = matrix[p * D + p]! + ratio;
      assert.ok(factorise(matrix, D));
      const wanted = inverseOf(matrix, D);
      const scale = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      const worst = found.reduce((largest, value, i) => Math.max(largest, Math.abs(value - wanted[i]!)), 0);
      t.diagnostic(`D = ${D}, ratio ${ratio}: off by ${(worst / scale).toExponential(1)} of the largest entry`);
      // A condition number of some 1e4, in double.
      assert.ok(worst <= 1e-11 * scale);
      assert.deepEqual(encodeSupportSet(maskOfInverse(covariance, found, ratio, 0.02)), encodeSupportSet(localityMask(covariance, ratio, 0.02)));
    }
    assert.deepEqual(covariance, before, 'the covariance is left alone');
  }
});

test('without the engine there is none', () => {
  assert.equal(
    nativeInverse(1, undefined, () => ({ missing: 'it was not built' })),
    undefined,
  );
});

test('a stopped inverse returns at once', { skip }, () => {
  const stop = new Int32Array(new SharedArrayBuffer(4)).fill(1);
  const found = nativeInverse(2, stop)!(Float64Array.of(3, 0, 0, 3), 1);
  assert.deepEqual(found, Float64Array.of(1, 0, 0, 1), 'the identity it began with');
});
