/**
 * The posterior mean under a normal law with the data's mean and covariance, the Wiener filter, and its evidence:
 *     v = x / alpha - mu,  z = (r I + Sigma)^-1 v,  x0hat = mu + Sigma z,  r = (sigma / alpha)^2
 *     log N(x; alpha mu, sigma^2 I + alpha^2 Sigma) = -(v.z + log det(r I + Sigma) + 2 D log alpha + D log 2 pi) / 2
 * Sigma z and not v - r z, which cancels where the noise is large.
 */

import { invariant } from '../../shared/errors.js';
import { factorise, solveInPlace } from './spd-matrix.js';

export interface GaussianFactor {
  /** [D, D] L of r I + Sigma, below and on the diagonal */
  readonly l: Float64Array;
  readonly logDeterminant: number;
}

export interface GaussianAnswer {
  /** [B, D] */
  readonly x0hat: Float64Array;
  /** [B] nats */
  readonly logEvidence: Float64Array;
}

export function gaussianFactor(covariance: Float64Array, rowValues: number, ratio: number): GaussianFactor {
  const l = Float64Array.from(covariance);
  for (let p = 0; p < rowValues; p++) l[p * rowValues + p] = l[p * rowValues + p]! + ratio;
  invariant(factorise(l, rowValues), 'the covariance of data with noise is positive definite');
  let logDeterminant = 0;
  for (let p = 0; p < rowValues; p++) logDeterminant += 2 * Math.log(l[p * rowValues + p]!);
  return { l, logDeterminant };
}

/** Queries of one ratio. @param x [B, D] @param alpha [B] @param mean [D] Cost: 2 D^2 multiply-adds a query, in double. */
export function gaussianMean(
  factor: GaussianFactor,
  mean: Float64Array,
  covariance: Float64Array,
  x: Float64Array,
  alpha: Float64Array,
): GaussianAnswer {
  const D = mean.length;
  const B = alpha.length;
  const x0hat = new Float64Array(B * D);
  const logEvidence = new Float64Array(B);
  const v = new Float64Array(D);
  for (let b = 0; b < B; b++) {
    const a = alpha[b]!;
    for (let p = 0; p < D; p++) v[p] = x[b * D + p]! / a - mean[p]!;
    const z = v.slice();
    solveInPlace(factor.l, D, z);
    let square = 0;
    for (let p = 0; p < D; p++) square += v[p]! * z[p]!;
    for (let p = 0; p < D; p++) {
      let sum = 0;
      for (let q = 0; q < D; q++) sum += covariance[p * D + q]! * z[q]!;
      x0hat[b * D + p] = mean[p]! + sum;
    }
    logEvidence[b] = -(square + factor.logDeterminant + 2 * D * Math.log(a) + D * Math.log(2 * Math.PI)) / 2;
  }
  return { x0hat, logEvidence };
}
