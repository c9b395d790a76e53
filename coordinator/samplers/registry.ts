import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';
import { edmEuler } from './edm-euler.js';
import { edmHeun } from './edm-heun.js';
import type { Sampler } from './sampler.js';

export type SamplerName = 'DDIM' | 'DDPM' | 'EDM_HEUN' | 'EDM_EULER';

export interface SamplerEntry {
  readonly sampler: Sampler;
  /** schedule where the caller names none */
  readonly schedule: 'DDPM_LINEAR' | 'EDM';
  /** score evaluations of one image over a path of `steps` levels */
  evaluations(steps: number): number;
}

const oneEach = (steps: number): number => steps;

export const SAMPLERS: Readonly<Record<SamplerName, SamplerEntry>> = {
  DDIM: { sampler: ddim, schedule: 'DDPM_LINEAR', evaluations: oneEach },
  DDPM: { sampler: ddpm, schedule: 'DDPM_LINEAR', evaluations: oneEach },
  EDM_HEUN: { sampler: edmHeun, schedule: 'EDM', evaluations: (steps) => 2 * steps - 1 },
  EDM_EULER: { sampler: edmEuler, schedule: 'EDM', evaluations: oneEach },
};
