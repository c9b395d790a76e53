/** Sums of products from a mean and a covariance that were made of exact integers: what was divided away comes back by rounding. */

import { packedLength, type MomentSums } from '../../../shared/math/moment-sums.js';

/** Of 8-bit values: y = u / 127.5 - 1. */
const SCALE = 1 / 127.5;
const OFFSET = -1;

/**
 * sum_p = n (mean_p - offset) / scale and sum_pq = (n - 1) covariance_pq / scale^2 + sum_p sum_q / n, rounded to integers.
 * @param rows n, at least 2
 * @param mean [D] @param covariance [D, D] in data units, of 8-bit rows, each within a few units in the last place of exact
 * Exact for n below 10^9: an error of 10 units of 2^-53 of 65,025 n is under a hundredth there.
 */
export function momentsOfBytes(rows: number, mean: Float64Array, covariance: Float64Array): MomentSums {
  const D = mean.length;
  const sum = mean.map((value) => Math.round(((value - OFFSET) / SCALE) * rows));
  const products = new Float64Array(packedLength(D));
  const factor = (rows - 1) / (SCALE * SCALE);
  for (let p = 0; p < D; p++) {
    const line = packedLength(p);
    const share = sum[p]! / rows;
    for (let q = 0; q <= p; q++) products[line + q] = Math.round(covariance[p * D + q]! * factor + share * sum[q]!);
  }
  return { rows, sum, products };
}
