/** Clean images noised to a level: x = alpha * image + sigma * noise, with noise that is a function of (seed, image, timestep) alone. */

import { fillNormals } from '../shared/math/counter-noise.js';
import type { PathPoint } from '../shared/math/noise-schedule.js';

/** @param images [count, D] in the data's range @returns [count, D] */
export function noisedImages(images: Float64Array, count: number, { t, alpha, sigma }: PathPoint, seed: number): Float64Array {
  const size = images.length / count;
  const x = new Float64Array(images.length);
  const noise = new Float64Array(size);
  for (let b = 0; b < count; b++) {
    fillNormals(noise, seed, b, t);
    for (let p = 0; p < size; p++) x[b * size + p] = alpha * images[b * size + p]! + sigma * noise[p]!;
  }
  return x;
}
