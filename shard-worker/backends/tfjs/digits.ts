/**
 * Numbers as small signed digits, so that products in float32 are exact: |row plane| <= 128, |digit| <= half, and a sum of `terms` such products stays within
 * 2^24, where every integer is a float32. Then neither the order of the additions nor the other columns of a product can change a bit, on no device; and the
 * operands fit the 11 bits that tensor cores keep.
 */

import { invariant } from '../../../shared/errors.js';

/** |value| of a plane of a row: bytes less 128. */
export const PLANE_MAX = 128;
/** Integers up to it are float32 numbers. */
const EXACT_MAX = 2 ** 24;
/** Terms of one sum; more are cut into several. Digits of less than 6 bits would make too many of them. */
export const TERMS_MAX = 4096;
const DIGIT_BITS_MAX = 8;
/** Of a number in all its digits: the rounding of a query then moves no logit by more than 1e-4 nats where 2 s^2 = 2e-4, D = 12,288. */
const NUMBER_BITS = 40;

export interface DigitPlan {
  /** bits of a digit */
  readonly bits: number;
  /** digits of a number, lowest first */
  readonly count: number;
  /** digits lie in [-half, half - 1] */
  readonly half: number;
  /** largest integer of so many digits */
  readonly max: number;
}

/** @param terms of the longest sum, 1 .. TERMS_MAX */
export function digitPlan(terms: number): DigitPlan {
  invariant(terms >= 1 && terms <= TERMS_MAX, 'a sum of products is short enough to be exact');
  let bits = DIGIT_BITS_MAX;
  while (terms * PLANE_MAX * 2 ** (bits - 1) > EXACT_MAX) bits--;
  const count = Math.ceil(NUMBER_BITS / bits);
  const half = 2 ** (bits - 1);
  return { bits, count, half, max: ((half - 1) * (2 ** (bits * count) - 1)) / (2 ** bits - 1) };
}

/** Least power of two that brings all numbers up to `largest` within the plan. */
export function unitOf(largest: number, { max }: DigitPlan): number {
  return largest === 0 ? 1 : 2 ** Math.ceil(Math.log2(largest / max));
}

/** Digits of an integer, |value| <= plan.max: value = sum_l digit_l 2^(bits l), written to out[at + l * stride]. */
export function writeDigits(value: number, { bits, count, half }: DigitPlan, out: Float32Array, at: number, stride: number): void {
  const base = 2 ** bits;
  let rest = value;
  for (let l = 0; l < count; l++) {
    const above = Math.floor((rest + half) / base);
    out[at + l * stride] = rest - above * base;
    rest = above;
  }
}

/** sum_l from[at + l * stride] 2^(bits l), highest first, in double. */
export function readDigits(from: Float32Array, at: number, stride: number, { bits, count }: DigitPlan): number {
  const base = 2 ** bits;
  let value = 0;
  for (let l = count - 1; l >= 0; l--) value = value * base + from[at + l * stride]!;
  return value;
}
