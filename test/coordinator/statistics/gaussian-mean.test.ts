import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gaussianFactor, gaussianMean } from '../../../coordinator/statistics/gaussian-mean.js';

test('one value: the posterior mean and the evidence of the textbook', () => {
  const [mu, variance, alpha, sigma, x] = [0.3, 0.5, 0.8, 0.6, 1.7];
  const factor = gaussianFactor(Float64Array.of(variance), 1, (sigma / alpha) ** 2);
  const { x0hat, logEvidence } = gaussianMean(factor, Float64Array.of(mu), Float64Array.of(variance), Float64Array.of(x), Float64Array.of(alpha));
  const total = alpha ** 2 * variance + sigma ** 2;
  assert.ok(Math.abs(x0hat[0]! - (mu + (alpha * variance * (x - alpha * mu)) / total)) < 1e-14);
  assert.ok(Math.abs(logEvidence[0]! + (x - alpha * mu) ** 2 / total / 2 + Math.log(2 * Math.PI * total) / 2) < 1e-14);
});

test('much noise leaves the mean, little the query; a constant value stays what it is', () => {
  const covariance = Float64Array.of(1, 0.5, 0, 0.5, 2, 0, 0, 0, 0);
  const mean = Float64Array.of(0.1, -0.2, 0.7);
  const x = Float64Array.of(3, -4, 5);
  const at = (ratio: number): number[] => [...gaussianMean(gaussianFactor(covariance, 3, ratio), mean, covariance, x, Float64Array.of(1)).x0hat];
  const near = (got: number[], want: number[], bound: number): void =>
    got.forEach((v, p) => assert.ok(Math.abs(v - want[p]!) < bound, `${v} against ${want[p]}`));
  near(at(1e9), [...mean], 1e-7);
  near(at(1e-9), [3, -4, 0.7], 1e-7);
});

test('queries of other scales share a factor', () => {
  const covariance = Float64Array.of(1, 0.5, 0.5, 2);
  const mean = Float64Array.of(0.1, -0.2);
  const factor = gaussianFactor(covariance, 2, 0.7);
  const { x0hat } = gaussianMean(factor, mean, covariance, Float64Array.of(1, 2, 3, 6), Float64Array.of(1, 3));
  assert.ok(Math.abs(x0hat[0]! - x0hat[2]!) < 1e-15 && Math.abs(x0hat[1]! - x0hat[3]!) < 1e-15);
});
