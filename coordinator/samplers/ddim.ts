/**
 * DDIM for any pair of levels (a, s) -> (a', s'):
 *
 *     eps = (x - a x0hat) / s
 *     v   = eta^2 (s'^2 / s^2) (s^2 - (a/a')^2 s'^2)       clamped to [0, s'^2]
 *     x'  = a' x0hat + sqrt(s'^2 - v) eps + sqrt(v) z
 *
 * At eta = 0 nothing is random; at eta = 1, v is the variance of the forward process' posterior (DDPM). The end is a = 1, s = 0, where x' = x0hat.
 * Source: arXiv 2010.02502, equations 12 and 16, written for (a, s) instead of abar.
 */

import { checkRun, type PathLevel, type Sampler } from './sampler.js';

export const ddim: Sampler = async (run) => {
  checkRun(run);
  const { path, batch, dim, x } = run;
  const z = new Float64Array(dim);
  for (let step = run.start ?? 0; ; step++) {
    const level = path[step]!;
    const x0 = await run.denoise(x, level, step);
    const next = path[step + 1];
    if (next === undefined) return x0.slice();
    const { alpha: a, sigma: s } = level;
    const variance = transitionVariance(level, next, run.eta);
    const towards = Math.sqrt(Math.max(0, next.sigma ** 2 - variance));
    const fresh = Math.sqrt(variance);
    for (let b = 0; b < batch; b++) {
      if (fresh > 0) run.normals(z, b, step + 1);
      const from = b * dim;
      for (let p = 0; p < dim; p++) {
        const mean = x0[from + p]!;
        x[from + p] = next.alpha * mean + towards * ((x[from + p]! - a * mean) / s) + (fresh > 0 ? fresh * z[p]! : 0);
      }
    }
    await run.afterStep?.(step + 1);
  }
};

/** v of the file header, in [0, s'^2]. */
export function transitionVariance(from: PathLevel, to: PathLevel, eta: number): number {
  const s2 = from.sigma ** 2;
  const t2 = to.sigma ** 2;
  const v = eta ** 2 * (t2 / s2) * (s2 - (from.alpha / to.alpha) ** 2 * t2);
  return Math.min(t2, Math.max(0, v));
}
