import assert from 'node:assert/strict';
import { test } from 'node:test';
import { float16ToNumber, numberToFloat16 } from '../../../shared/math/half-float.js';

test('every 16-bit pattern survives the way there and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = float16ToNumber(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(float16ToNumber(numberToFloat16(value))));
    else assert.equal(numberToFloat16(value), bits, bits.toString(16));
  }
});

test('rounding is to nearest, ties to even, with overflow to infinity', () => {
  const cases: [number, number][] = [
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [1 + 2 ** -11 + 2 ** -20, 0x3c01],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [-1e9, 0xfc00],
    [2 ** -25, 0],
    [2 ** -25 * 1.01, 1],
    [-0, 0x8000],
  ];
  for (const [value, bits] of cases) assert.equal(numberToFloat16(value), bits, String(value));
});
