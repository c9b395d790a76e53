import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { digitPlan, PLANE_MAX, readDigits, TERMS_MAX, unitOf, writeDigits } from '../../../../shard-worker/backends/tfjs/digits.js';

const EXACT_MAX = 2 ** 24;

test('no sum of products of planes and digits leaves the integers of float32, however long', () => {
  for (let terms = 1; terms <= TERMS_MAX; terms++) {
    const { half, bits, count } = digitPlan(terms);
    assert.ok(terms * PLANE_MAX * half <= EXACT_MAX, `${terms} terms`);
    assert.ok(bits >= 6 && bits * count >= 40, `${terms} terms have ${count} digits of ${bits} bits`);
  }
  assert.throws(() => digitPlan(TERMS_MAX + 1), /short enough/);
});

test('digits are in range and give the number back', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: TERMS_MAX }), fc.double({ min: -1, max: 1, noNaN: true }), (terms, share) => {
      const plan = digitPlan(terms);
      // 0 rather than -0
      const value = Math.round(share * plan.max) + 0;
      const stride = 3;
      const out = new Float32Array(1 + stride * plan.count);
      writeDigits(value, plan, out, 1, stride);
      assert.ok(out.every((digit) => digit >= -plan.half && digit < plan.half));
      assert.equal(readDigits(out, 1, stride, plan), value);
    }),
  );
});

test('the unit is the least power of two that brings a number within the plan', () => {
  const plan = digitPlan(784);
  for (const largest of [1e-30, 0.3, 1, 2.7, 255, 1e30]) {
    const unit = unitOf(largest, plan);
    assert.ok(Number.isInteger(Math.log2(unit)));
    assert.ok(largest / unit <= plan.max && largest / unit > plan.max / 2.0001, `${largest}`);
  }
  assert.equal(unitOf(0, plan), 1);
});
