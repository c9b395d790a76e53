/**
 * Bands of noise, for figures that mean little without it. Requests name their noise in many ways; what an answer looks like is a matter of the ratio of noise to
 * signal alone, so that each pair (alpha, sigma) belongs to the timesteps of the DDPM linear schedule with that ratio.
 */

import { NOISE_BANDS } from '../shared/metric-tables.js';
import { noiseLevelAt, TIMESTEPS } from '../shared/math/noise-schedule.js';

export type NoiseBand = (typeof NOISE_BANDS)[number];

const BAND_TIMESTEPS = TIMESTEPS / NOISE_BANDS.length;
/** Ratio at which the next band begins, ascending; below the first timestep counts as the first band, beyond the last as the last. */
const BEGINS = NOISE_BANDS.slice(1).map((_, i) => {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', (i + 1) * BAND_TIMESTEPS);
  return sigma / alpha;
});

/** @param alpha > 0. @param sigma > 0 */
export function noiseBand(alpha: number, sigma: number): NoiseBand {
  const ratio = sigma / alpha;
  const next = BEGINS.findIndex((begin) => ratio < begin);
  return NOISE_BANDS[next === -1 ? NOISE_BANDS.length - 1 : next]!;
}
