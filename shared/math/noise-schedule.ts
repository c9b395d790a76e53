/**
 * Named noise schedules. A timestep is only a way to name a pair (alpha, sigma) of x = alpha * y + sigma * noise.
 * Sources: DDPM (Ho et al. 2020), cosine (Nichol & Dhariwal 2021), EDM (Karras et al. 2022).
 */

import { argumentError } from '../errors.js';

export type Schedule = 'DDPM_LINEAR' | 'DDPM_COSINE' | 'EDM';

/** alpha > 0 and sigma > 0 as scale factors of data and noise. */
export interface NoiseLevel {
  readonly alpha: number;
  readonly sigma: number;
}
export interface PathPoint extends NoiseLevel {
  /** 0 .. 999 */
  readonly t: number;
}

export const TIMESTEPS = 1_000;
const BETA_FIRST = 1e-4;
const BETA_LAST = 0.02;
const BETA_MAX = 0.999;
const COSINE_OFFSET = 0.008;
const EDM_SIGMA_MIN = 0.002;
const EDM_SIGMA_MAX = 80;
const EDM_RHO = 7;

const alphaBars: Partial<Record<Schedule, Float64Array>> = {};

/** abar_t for t = 0 .. 999, the running product of 1 - beta in double. */
function alphaBar(schedule: 'DDPM_LINEAR' | 'DDPM_COSINE'): Float64Array {
  const known = alphaBars[schedule];
  if (known) return known;
  const out = new Float64Array(TIMESTEPS);
  const f = (t: number): number => Math.cos(((t / TIMESTEPS + COSINE_OFFSET) / (1 + COSINE_OFFSET)) * (Math.PI / 2)) ** 2;
  let product = 1;
  for (let t = 0; t < TIMESTEPS; t++) {
    const beta = schedule === 'DDPM_LINEAR' ? BETA_FIRST + ((BETA_LAST - BETA_FIRST) * t) / (TIMESTEPS - 1) : Math.min(1 - f(t + 1) / f(t), BETA_MAX);
    product *= 1 - beta;
    out[t] = product;
  }
  alphaBars[schedule] = out;
  return out;
}

/** sigma at ramp position r in [0, 1], 0 = least noise. */
function edmSigma(r: number): number {
  const low = EDM_SIGMA_MIN ** (1 / EDM_RHO);
  const high = EDM_SIGMA_MAX ** (1 / EDM_RHO);
  return (low + r * (high - low)) ** EDM_RHO;
}

/**
 * The pair that timestep t names.
 * @throws ARGUMENT_INVALID where t is no integer in 0 .. 999
 */
export function noiseLevelAt(schedule: Schedule, t: number, field = 'timesteps.t'): NoiseLevel {
  if (!Number.isInteger(t) || t < 0 || t >= TIMESTEPS) throw argumentError(field, `an integer in 0..${TIMESTEPS - 1}`, t);
  if (schedule === 'EDM') return { alpha: 1, sigma: edmSigma(t / (TIMESTEPS - 1)) };
  const abar = alphaBar(schedule)[t]!;
  return { alpha: Math.sqrt(abar), sigma: Math.sqrt(1 - abar) };
}

/**
 * The levels that a sampler visits, noisiest first; the clean end (alpha 1, sigma 0) is not among them.
 * DDPM schedules: leading spacing, t = i * floor(1000 / steps). EDM: the rho ramp from 80 to .002.
 * @throws ARGUMENT_INVALID where steps is no integer in 1 .. 1000
 */
export function samplingPath(schedule: Schedule, steps: number): PathPoint[] {
  if (!Number.isInteger(steps) || steps < 1 || steps > TIMESTEPS) throw argumentError('steps', `an integer in 1..${TIMESTEPS}`, steps);
  const points: PathPoint[] = [];
  for (let i = steps - 1; i >= 0; i--) {
    if (schedule === 'EDM') {
      const ramp = steps === 1 ? 1 : i / (steps - 1);
      points.push({ t: Math.round(ramp * (TIMESTEPS - 1)), alpha: 1, sigma: edmSigma(ramp) });
    } else {
      const t = i * Math.floor(TIMESTEPS / steps);
      points.push({ t, ...noiseLevelAt(schedule, t) });
    }
  }
  return points;
}

/** Standard deviation of the first x of a sampler: 1 where the variance is preserved, sigma_max for EDM. */
export function initialNoiseScale(schedule: Schedule): number {
  return schedule === 'EDM' ? EDM_SIGMA_MAX : 1;
}

/** sigma / sqrt(alpha^2 + sigma^2), in (0, 1): the share of noise, the same number for a level and for its variance-preserving twin. */
export function noiseShare(level: NoiseLevel): number {
  return level.sigma / Math.hypot(level.alpha, level.sigma);
}
