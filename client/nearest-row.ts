/**
 * How far each image is from the nearest row of the data set, asked of the posterior itself: as sigma -> 0, -2 sigma^2 log Z tends to the least
 * squared distance. An optimal denoiser gives back training rows at low noise; this says how often it did.
 *
 * A scan of proxies picks the rows to look at: a copy has the proxy distance 0, so no copy is missed; for an image that is none the distance is that
 * of the nearest row among those picked, an upper bound.
 */

import { BATCH_ROWS_DEFAULT } from '../shared/limits.js';
import type { GolddiffClient } from './golddiff-client.js';

/** At this sigma one grey level in one pixel is (2/255)^2 / (2 sigma^2) = 3e4 nats: only the nearest row is left in Z. */
const SIGMA = 1e-3 / Math.SQRT2 / 2;
/** Rows picked by proxy for each image, at most. */
const CANDIDATE_ROWS = 64;

/** [count] root mean square difference over the pixels, in the data's range [-1, 1]. Cost: count * N * d multiply-adds on the cluster. */
export async function nearestRowDistances(
  client: GolddiffClient,
  images: Float32Array,
  count: number,
  dataSet: { readonly name: string; readonly rows: number },
  signal: AbortSignal,
): Promise<number[]> {
  const size = images.length / count;
  const candidatePool = Math.min(CANDIDATE_ROWS, dataSet.rows);
  const distances: number[] = [];
  for (let first = 0; first < count; first += BATCH_ROWS_DEFAULT) {
    const batch = Math.min(BATCH_ROWS_DEFAULT, count - first);
    const x = images.subarray(first * size, (first + batch) * size);
    const retrieval = { kind: 'golden', k: 1, candidatePool } as const;
    const { logZ } = await client.score({ x, shape: [batch, size], alpha: 1, sigma: SIGMA, dataSet: dataSet.name, retrieval }, { signal });
    distances.push(...logZ.map((value) => Math.sqrt(Math.max(0, -2 * SIGMA * SIGMA * value) / size)));
  }
  return distances;
}
