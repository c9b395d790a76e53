/**
 * Euler's method on the probability-flow equation in scaled space X = x / a, sigma = s / a, where every schedule is variance exploding:
 *
 *     dX/dsigma = (X - x0hat) / sigma          X' = x0hat + (sigma' / sigma) (X - x0hat)
 *
 * Source: arXiv 2206.00364, algorithm 1 without correction and churn.
 */

import { checkRun, type Sampler } from './sampler.js';

export const edmEuler: Sampler = async (run) => {
  checkRun(run);
  const { path, x } = run;
  for (let step = run.start ?? 0; ; step++) {
    const level = path[step]!;
    const x0 = await run.denoise(x, level, step);
    const next = path[step + 1];
    if (next === undefined) return x0.slice();
    const ratio = next.sigma / next.alpha / (level.sigma / level.alpha);
    for (let i = 0; i < x.length; i++) {
      const mean = x0[i]!;
      x[i] = next.alpha * (mean + ratio * (x[i]! / level.alpha - mean));
    }
    await run.afterStep?.(step + 1);
  }
};
