/**
 * How far each image is from the nearest row of the data set, asked of the posterior itself: as sigma -> 0, -2 sigma^2 log Z tends to the least
 * squared distance. An optimal denoiser gives back training rows at low noise; this says how often it did.
 */

import type { GolddiffClient } from './golddiff-client.js';

/** At this sigma one grey level in one pixel is (2/255)^2 / (2 sigma^2) = 3e4 nats: only the nearest row is left in Z. */
const SIGMA = 1e-3 / Math.SQRT2 / 2;

/** [count] root mean square difference over the pixels, in the data's range [-1, 1]. Cost: count * N * D multiply-adds on the cluster. */
export async function nearestRowDistances(
  client: GolddiffClient,
  images: Float32Array,
  count: number,
  dataSet: string,
  signal: AbortSignal,
): Promise<number[]> {
  const size = images.length / count;
  const answer = await client.score({ x: images, shape: [count, size], alpha: 1, sigma: SIGMA, dataSet }, { signal });
  // Rows at the same distance add log(their number) to log Z, which would make a distance of 0 imaginary.
  return answer.logZ.map((logZ) => Math.sqrt(Math.max(0, -2 * SIGMA * SIGMA * logZ) / size));
}
