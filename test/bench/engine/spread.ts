/** What is told of repeated measurements, and how a cost grows. */

import { invariant } from '../../../shared/errors.js';

/** Milliseconds, or whatever was measured. */
export interface Spread {
  readonly min: number;
  /** the upper one of two middles */
  readonly median: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  invariant(values.length > 0, 'a spread is of something');
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0]!, median: sorted[Math.floor(sorted.length / 2)]!, max: sorted[sorted.length - 1]! };
}

/** How many times as long the first takes: of medians, because one is as likely as the other to have met a busy machine. */
export function ratioOf(slow: Spread, fast: Spread): number {
  return slow.median / fast.median;
}

export interface PowerFit {
  /** p of y = factor * x^p */
  readonly exponent: number;
  readonly factor: number;
}

/** Least squares of log y over log x; x and y > 0, at least two distinct x. */
export function fitPower(points: readonly { readonly x: number; readonly y: number }[]): PowerFit {
  const n = points.length;
  const us = points.map(({ x }) => Math.log(x));
  const vs = points.map(({ y }) => Math.log(y));
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / n;
  const [u0, v0] = [mean(us), mean(vs)];
  const spreadOfX = us.reduce((sum, u) => sum + (u - u0) ** 2, 0);
  invariant(n >= 2 && spreadOfX > 0, 'an exponent needs two distinct sizes');
  const exponent = us.reduce((sum, u, i) => sum + (u - u0) * (vs[i]! - v0), 0) / spreadOfX;
  return { exponent, factor: Math.exp(v0 - exponent * u0) };
}

/** Three significant digits, without an exponent: 0.0123, 1.23, 123, 12300. */
export function threeDigits(value: number): string {
  if (!Number.isFinite(value) || value === 0) return String(value);
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)) + 1e-9));
  return value.toFixed(Math.min(digits, 20));
}

/** min / median / max. */
export function shownSpread({ min, median, max }: Spread): string {
  return [min, median, max].map(threeDigits).join(' / ');
}

/** For the JSON line: five digits are more than a measurement has. */
export function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
