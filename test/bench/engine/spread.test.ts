import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fitPower, ratioOf, rounded, shownSpread, spread, threeDigits } from './spread.js';

test('a spread is the least, the upper middle and the greatest, whatever the order', () => {
  assert.deepEqual(spread([3, 1, 2]), { min: 1, median: 2, max: 3 });
  assert.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 3, max: 4 });
  assert.deepEqual(spread([7]), { min: 7, median: 7, max: 7 });
  assert.throws(() => spread([]), /Invariant/);
});

test('a ratio is of medians', () => {
  assert.equal(ratioOf(spread([10, 20, 900]), spread([5, 4, 1])), 5);
});

test('the fitted exponent is that of a power law, and of its trend where points scatter', () => {
  for (const exponent of [0, 0.25, 1, 2]) {
    const fit = fitPower([60_000, 240_000, 960_000].map((x) => ({ x, y: 3 * x ** exponent })));
    assert.ok(Math.abs(fit.exponent - exponent) < 1e-9 && Math.abs(fit.factor / 3 - 1) < 1e-6);
  }
  const scattered = fitPower([
    { x: 1, y: 1.2 },
    { x: 4, y: 3.6 },
    { x: 16, y: 17 },
  ]);
  assert.ok(scattered.exponent > 0.9 && scattered.exponent < 1.1);
  assert.throws(() => fitPower([{ x: 5, y: 1 }]), /two distinct sizes/);
  assert.throws(() => fitPower([5, 5].map((x) => ({ x, y: 1 }))), /two distinct sizes/);
});

test('figures are shown with three digits and no exponent', () => {
  assert.deepEqual([0.01234, 1.2345, 99.96, 123.4, 12_345, 0.1, 1].map(threeDigits), ['0.0123', '1.23', '100.0', '123', '12345', '0.100', '1.00']);
  assert.deepEqual([NaN, 0, Infinity].map(threeDigits), ['NaN', '0', 'Infinity']);
  assert.equal(shownSpread({ min: 1, median: 2, max: 30 }), '1.00 / 2.00 / 30.0');
  assert.equal(rounded(1.234567), 1.2346);
});
