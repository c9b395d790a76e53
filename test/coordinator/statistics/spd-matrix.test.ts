import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factorise, inverseOf, solveInPlace } from '../../../coordinator/statistics/spd-matrix.js';
import { randomSource } from '../test-data.js';

/** B B^T + shift I */
function spd(n: number, shift: number): Float64Array {
  const random = randomSource(n + 1);
  const b = Float64Array.from({ length: n * n }, () => random() * 2 - 1);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      let sum = i === j ? shift : 0;
      for (let k = 0; k < n; k++) sum += b[i * n + k]! * b[j * n + k]!;
      a[i * n + j] = sum;
    }
  return a;
}

test('A times its inverse is the identity, at sizes around the blocks', (t) => {
  let worst = 0;
  for (const n of [1, 2, 3, 4, 5, 31, 32, 33, 36, 37, 64, 101]) {
    const a = spd(n, 0.5);
    const l = a.slice();
    assert.equal(factorise(l, n), true);
    const inverse = inverseOf(l, n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < n; k++) sum += a[i * n + k]! * inverse[k * n + j]!;
        worst = Math.max(worst, Math.abs(sum - (i === j ? 1 : 0)));
        assert.equal(inverse[i * n + j], inverse[j * n + i]);
      }
  }
  t.diagnostic(`largest difference ${worst.toExponential(2)}`);
  // n 2^-53 times a condition of up to 300.
  assert.ok(worst < 1e-11, `${worst}`);
});

test('the factor is lower triangular with L L^T = A, and leaves what is above alone', () => {
  const n = 37;
  const a = spd(n, 1);
  const l = a.slice();
  factorise(l, n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) {
      if (j > i) {
        assert.equal(l[i * n + j], a[i * n + j]);
        continue;
      }
      let sum = 0;
      for (let k = 0; k <= j; k++) sum += l[i * n + k]! * l[j * n + k]!;
      assert.ok(Math.abs(sum - a[i * n + j]!) < 1e-12 * n);
    }
});

test('a solution solves', () => {
  for (const n of [1, 6, 50]) {
    const a = spd(n, 1);
    const l = a.slice();
    factorise(l, n);
    const v = Float64Array.from({ length: n }, (_, i) => Math.sin(i + 1));
    const z = v.slice();
    solveInPlace(l, n, z);
    for (let i = 0; i < n; i++) {
      const sum = z.reduce((total, value, k) => total + a[i * n + k]! * value, 0);
      assert.ok(Math.abs(sum - v[i]!) < 1e-11);
    }
  }
});

test('a matrix that is not positive definite is noticed, in the first panel and in a later one', () => {
  for (const at of [0, 1, 40]) {
    const a = spd(41, 1);
    a[at * 41 + at] = -1;
    assert.equal(factorise(a, 41), false);
  }
  assert.equal(factorise(Float64Array.of(NaN), 1), false);
});
