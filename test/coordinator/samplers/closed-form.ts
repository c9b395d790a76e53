/** A denoiser in closed form for the tests of the samplers: data ~ N(mean, width^2) in every value. */

import type { PathLevel, SamplerRun } from '../../../coordinator/samplers/sampler.js';
import { fillNormals } from '../../../shared/math/counter-noise.js';
import { initialNoiseScale, samplingPath, type Schedule } from '../../../shared/math/noise-schedule.js';

export interface GaussianRun extends SamplerRun {
  readonly scored: { level: PathLevel; step: number }[];
  /** where the probability flow leads from the first x: (X - mean) / sqrt(width^2 + sigma^2) is constant in X = x / alpha, sigma = s / a */
  readonly flowEnd: Float64Array;
}

export interface GaussianOptions {
  readonly schedule: Schedule;
  readonly steps: number;
  readonly mean?: number;
  /** 0 = a single point */
  readonly width?: number;
  readonly eta?: number;
  readonly batch?: number;
  readonly dim?: number;
  readonly seed?: number;
}

export function gaussianRun(options: GaussianOptions): GaussianRun {
  const { schedule, steps, mean = 0.3, width = 0.5, eta = 0, batch = 2, dim = 8, seed = 1 } = options;
  const path = samplingPath(schedule, steps);
  const x = new Float64Array(batch * dim);
  for (let b = 0; b < batch; b++) fillNormals(x.subarray(b * dim, (b + 1) * dim), seed, b, 0);
  for (let i = 0; i < x.length; i++) x[i]! *= initialNoiseScale(schedule);
  const first = path[0]!;
  const sigma = first.sigma / first.alpha;
  const flowEnd = x.map((value) => mean + ((value / first.alpha - mean) * width) / Math.hypot(width, sigma));
  const scored: GaussianRun['scored'] = [];
  return {
    path,
    batch,
    dim,
    x,
    eta,
    scored,
    flowEnd,
    denoise: async (query, level, step) => {
      scored.push({ level, step });
      const { alpha: a, sigma: s } = level;
      return query.map((value) => mean + (a * width ** 2 * (value - a * mean)) / (a ** 2 * width ** 2 + s ** 2));
    },
    normals: (out, b, transition) => fillNormals(out, seed, b, transition),
  };
}

export function largestDifference(a: Float64Array, b: Float64Array): number {
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i]!)), 0);
}
