/**
 * Heun's method, second order, in the scaled space of edm-euler.ts: an Euler step to sigma', the slope there, and the mean of both slopes.
 * The last step, to sigma = 0, is Euler's, since the slope at 0 is 0/0. T levels take 2T - 1 scores.
 * Source: arXiv 2206.00364, algorithm 1 with S_churn = 0.
 */

import { checkRun, type Sampler } from './sampler.js';

export const edmHeun: Sampler = async (run) => {
  checkRun(run);
  const { path, x } = run;
  const slope = new Float64Array(x.length);
  const scaled = new Float64Array(x.length);
  for (let step = run.start ?? 0; ; step++) {
    const level = path[step]!;
    const x0 = await run.denoise(x, level, step);
    const next = path[step + 1];
    if (next === undefined) return x0.slice();
    const sigma = level.sigma / level.alpha;
    const sigmaNext = next.sigma / next.alpha;
    const width = sigmaNext - sigma;
    for (let i = 0; i < x.length; i++) {
      scaled[i] = x[i]! / level.alpha;
      slope[i] = (scaled[i]! - x0[i]!) / sigma;
      x[i] = next.alpha * (scaled[i]! + width * slope[i]!);
    }
    const x0Next = await run.denoise(x, next, step);
    for (let i = 0; i < x.length; i++) {
      const slopeNext = (x[i]! / next.alpha - x0Next[i]!) / sigmaNext;
      x[i] = next.alpha * (scaled[i]! + (width * (slope[i]! + slopeNext)) / 2);
    }
    await run.afterStep?.(step + 1);
  }
};
