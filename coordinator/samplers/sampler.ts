/**
 * A sampler walks a path of falling noise levels and asks for the posterior mean at each. It knows nothing of servers: `denoise` may be a cluster
 * or a closed form. All arithmetic is in double; only the query is rounded, by whoever sends it.
 *
 * Noise is a function of (sample, step) alone, so batches of any size give the same images.
 */

import { invariant } from '../../shared/errors.js';

/** One noise level of a path: x = alpha * y + sigma * noise. */
export interface PathLevel {
  /** timestep of the schedule, for people */
  readonly t: number;
  /** > 0 */
  readonly alpha: number;
  /** > 0 */
  readonly sigma: number;
}

export interface SamplerRun {
  /** T levels, noise falling; the clean end (alpha 1, sigma 0) is not listed */
  readonly path: readonly PathLevel[];
  /** images moved together */
  readonly batch: number;
  /** D */
  readonly dim: number;
  /** [B, D], the first x at the scale of path[0]; the sampler owns it from here on */
  readonly x: Float64Array;
  /** place in the path where x stands; default 0. A run that goes on from (start, x) of another ends as that one, to the bit */
  readonly start?: number;
  /** Called with the next place when x has been moved there; the sampler waits. */
  afterStep?(next: number): Promise<void>;
  /** weight of fresh noise in DDIM, 0 .. 1 */
  readonly eta: number;
  /**
   * Posterior mean [B, D] of `x` at a level. `step` counts the path from 0. The callee may round x in place to the precision that it sends: the
   * sampler goes on from the very numbers that were scored. The result belongs to the sampler until the next call.
   */
  denoise(x: Float64Array, level: PathLevel, step: number): Promise<Float64Array>;
  /** Standard normals of image b of the batch for a transition, counted from 1; 0 is the first noise. Same arguments, same numbers. */
  normals(out: Float64Array, b: number, transition: number): void;
}

/** Images [B, D] in the data's range: the posterior mean at the last level. */
export type Sampler = (run: SamplerRun) => Promise<Float64Array>;

export function checkRun(run: SamplerRun): void {
  invariant(run.path.length > 0, 'a path has a level');
  invariant((run.start ?? 0) < run.path.length, 'a run starts on its path');
  invariant(run.x.length === run.batch * run.dim, 'x is [B, D]');
}
