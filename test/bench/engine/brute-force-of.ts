/** The posterior mean over some partitions by plain loops in double. */

import type { PartitionRows, StepQueries } from '../../../shard-worker/backends/backend.js';

const TOLERANCE_NATS = 24 * Math.LN2;

/** x0hat [B, D], and the rows of each query within 2^-24 of its heaviest. */
export function bruteForce(
  partitions: readonly PartitionRows[],
  { batch, x, alpha, sigma }: StepQueries,
): { x0hat: Float64Array; rowsWithin: number[] } {
  const dim = x.length / batch;
  const x0hat = new Float64Array(x.length);
  const rowsWithin: number[] = [];
  for (let b = 0; b < batch; b++) {
    const rows = partitions.flatMap((partition) =>
      Array.from({ length: partition.rows }, (_, i) => Float64Array.from(partition.values.subarray(i * dim, (i + 1) * dim), (u) => u / 127.5 - 1)),
    );
    const logits = rows.map((row) => -row.reduce((sum, y, p) => sum + (x[b * dim + p]! - alpha[b]! * y) ** 2, 0) / (2 * sigma[b]! ** 2));
    const max = Math.max(...logits);
    const mass = logits.reduce((sum, logit) => sum + Math.exp(logit - max), 0);
    rows.forEach((row, i) => row.forEach((y, p) => (x0hat[b * dim + p]! += (Math.exp(logits[i]! - max) * y) / mass)));
    rowsWithin.push(logits.filter((logit) => logit > max - TOLERANCE_NATS).length);
  }
  return { x0hat, rowsWithin };
}
