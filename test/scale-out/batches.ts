/** The batches that every size of a cluster is asked for: the same bytes in, so that the bytes out can be compared. */

import { noisedImages } from '../../client/noised-images.js';
import type { ScoreInput } from '../../client/golddiff-client.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { mnistTestImages } from '../support/data-sets.js';

export interface BatchCase {
  /** of denoiser and retrieval, as plots name it */
  readonly method: string;
  readonly t: number;
  readonly input: ScoreInput;
}

/** Much noise, where every partition has a share of the mass, and little, where a few have it all. */
export const LEVELS = [700, 100] as const;

const METHODS: readonly { readonly method: string; readonly how: Pick<ScoreInput, 'denoiser' | 'retrieval'> }[] = [
  { method: 'exact', how: { denoiser: 'optimal', retrieval: { kind: 'exact' } } },
  { method: 'golden', how: { denoiser: 'optimal', retrieval: { kind: 'golden', search: 'scan' } } },
  { method: 'pca golden', how: { denoiser: 'pca', retrieval: { kind: 'golden', search: 'scan' } } },
];

const DIM = 784;
const NOISE_SEED = 11;

/** Noised MNIST test images at each level, by each method. */
export function batchCases(batch: number, levels: readonly number[] = LEVELS): BatchCase[] {
  const images = mnistTestImages(batch);
  return levels.flatMap((t) => {
    const x = Float32Array.from(noisedImages(images, batch, { t, ...noiseLevelAt('DDPM_LINEAR', t) }, NOISE_SEED));
    return METHODS.map(({ method, how }) => ({ method, t, input: { x, shape: [batch, DIM], t, ...how } }));
  });
}
