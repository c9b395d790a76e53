/**
 * Sums of values and of their products over rows: additive over any sets of rows, and what a mean and a covariance are made of. In stored units, so
 * that those of 8-bit rows are integers, exact in double up to 2^53 (10^11 rows), and add exactly in any order.
 */

import type { Manifest } from '../dataset/manifest.js';
import { invariant } from '../errors.js';

export interface MomentSums {
  /** n */
  readonly rows: number;
  /** [D] sum v_p */
  readonly sum: Float64Array;
  /** [D (D + 1) / 2] sum v_p v_q at p (p + 1) / 2 + q, q <= p */
  readonly products: Float64Array;
}

export interface Covariance {
  /** n */
  readonly rows: number;
  /** [D] in data units */
  readonly mean: Float64Array;
  /** [D, D] sample covariance (n - 1) in data units, symmetric; zeros for fewer than two rows */
  readonly covariance: Float64Array;
}

export function packedLength(rowValues: number): number {
  return (rowValues * (rowValues + 1)) / 2;
}

export function emptyMoments(rowValues: number): MomentSums {
  return { rows: 0, sum: new Float64Array(rowValues), products: new Float64Array(packedLength(rowValues)) };
}

export function mergeMoments(left: MomentSums, right: MomentSums): MomentSums {
  invariant(left.sum.length === right.sum.length, 'moments of one data set have one length');
  return {
    rows: left.rows + right.rows,
    sum: left.sum.map((sum, p) => sum + right.sum[p]!),
    products: left.products.map((sum, i) => sum + right.products[i]!),
  };
}

/** A value whose variance is a smaller share of its mean square is constant, up to the rounding of the sums in double; those of bytes are exact. */
const CONSTANT_SHARE = { u8: 1e-15, f32: 1e-12 } as const;

/**
 * mean_p = sum_p / n, covariance_pq = (sum_pq - sum_p sum_q / n) / (n - 1), in data units y = v scale + offset. A constant value has exactly 0 in its
 * row and column. For 8-bit rows n sum_pq and sum_p sum_q are one rounding each from exact. The arrays lie on shared memory, for threads to see.
 */
export function covarianceOf(moments: MomentSums, { dtype, valueMap }: Pick<Manifest, 'dtype' | 'valueMap'>): Covariance {
  const { rows: n, sum, products } = moments;
  const D = sum.length;
  const { scale, offset } = valueMap;
  const mean = new Float64Array(new SharedArrayBuffer(D * 8));
  const covariance = new Float64Array(new SharedArrayBuffer(D * D * 8));
  for (let p = 0; p < D; p++) mean[p] = n === 0 ? 0 : (sum[p]! / n) * scale + offset;
  if (n < 2) return { rows: n, mean, covariance };
  const constant = Uint8Array.from({ length: D }, (_, p) => {
    const square = n * products[packedLength(p) + p]!;
    return square - sum[p]! ** 2 <= CONSTANT_SHARE[dtype] * square ? 1 : 0;
  });
  const factor = (scale * scale) / n / (n - 1);
  for (let p = 0; p < D; p++) {
    if (constant[p] === 1) continue;
    const row = packedLength(p);
    for (let q = 0; q <= p; q++) {
      if (constant[q] === 1) continue;
      const value = (n * products[row + q]! - sum[p]! * sum[q]!) * factor;
      covariance[p * D + q] = value;
      covariance[q * D + p] = value;
    }
  }
  return { rows: n, mean, covariance };
}

/** `sum` and `products` as little-endian bytes, one after the other, as in proto MomentsPart. */
export function encodeMoments({ sum, products }: MomentSums): Uint8Array<ArrayBuffer> {
  const values = new Float64Array(sum.length + products.length);
  values.set(sum);
  values.set(products, sum.length);
  return new Uint8Array(values.buffer);
}

/** @param bytes of encodeMoments for D values, from the start of their buffer */
export function decodeMoments(rows: number, rowValues: number, bytes: Uint8Array<ArrayBuffer>): MomentSums {
  invariant(bytes.byteOffset === 0 && bytes.length === momentsBytes(rowValues), 'the bytes are those of moments');
  return { rows, sum: new Float64Array(bytes.buffer, 0, rowValues), products: new Float64Array(bytes.buffer, rowValues * 8) };
}

export function momentsBytes(rowValues: number): number {
  return (rowValues + packedLength(rowValues)) * 8;
}
