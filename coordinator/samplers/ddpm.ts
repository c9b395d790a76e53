import { ddim } from './ddim.js';
import type { Sampler } from './sampler.js';

/** Ancestral sampling: every transition draws from the forward process' posterior given x0hat. It is DDIM with eta = 1. */
export const ddpm: Sampler = (run) => ddim({ ...run, eta: 1 });
