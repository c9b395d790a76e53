/** Partitions of MNIST rows, and noisy queries near them, for tests of the candidate search. */

import type { StepQueries } from '../../../shard-worker/backends/backend.js';
import type { IndexablePartition } from '../../../shard-worker/candidates/candidate-indexes.js';
import { fillNormals } from '../../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';
import { plainMnist } from '../../support/data-sets.js';

const D = 784;
export const MNIST_SHAPE = [1, 28, 28] as const;

export function mnistPartition(first: number, rows: number, partition = 0): IndexablePartition {
  const plain = plainMnist(first, rows);
  const values = new Uint8Array(new SharedArrayBuffer(rows * D));
  values.set(plain.pixels);
  const labels = Int32Array.from(plain.labels);
  // Ids that are not indexes, so that one taken for the other shows.
  const rowIds = Uint32Array.from({ length: rows }, (_, i) => first + 1000 + rows - i);
  return { dataSet: 'mnist', partition, rows, shape: MNIST_SHAPE, values, labels, rowIds, sha256: `${first}${rows}`.padEnd(64, 'a') };
}

/** Rows of the partition, noised to timestep t of the DDPM schedule. */
export function noisyQueries(partition: IndexablePartition, batch: number, t: number): StepQueries {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
  const x = new Float64Array(new SharedArrayBuffer(batch * D * 8));
  const noise = new Float64Array(D);
  for (let b = 0; b < batch; b++) {
    fillNormals(noise, 31, b, t);
    const row = (b * 311 + 5) % partition.rows;
    for (let p = 0; p < D; p++) x[b * D + p] = alpha * (partition.values[row * D + p]! / 127.5 - 1) + sigma * noise[p]!;
  }
  return {
    dataSet: partition.dataSet,
    batch,
    x,
    alpha: new Float64Array(batch).fill(alpha),
    sigma: new Float64Array(batch).fill(sigma),
    temperature: 1,
    labels: undefined,
    golden: { proxyResolution: 14, presampleSeed: 0, presampleStep: 0, queryIds: Uint32Array.from({ length: batch }, (_, b) => b) },
  };
}
