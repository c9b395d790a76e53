/** Prints the speed of the reference kernels on one thread: node dist/test/shard-worker/backends/reference/kernel-speed.js [rows] [batch]. */

import { rowDistances } from '../../../../shard-worker/backends/reference/row-distances.js';
import { logitDivisors, posteriorScalars, weightedSums } from '../../../../shard-worker/backends/reference/row-posterior.js';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

const rows = Number(process.argv[2] ?? 4000);
const wishes = process.argv[3] ? [Number(process.argv[3])] : [1, 8, 32];
for (const dtype of ['u8', 'f32'] as const) {
  const partition = generatePartition({ rows, shape: [1, 28, 28], dtype, seed: 1 });
  const resident = new ResidentPartition(partition);
  for (const batch of wishes) {
    const queries = generateQueries(partition, { batch, seed: 2, alpha: 0.7, sigma: 5 });
    const wanted = Array.from({ length: batch }, (_, b) => b);
    const lists = wanted.map(() => undefined);
    const divisors = logitDivisors(queries.sigma, 1);
    let distancesMs = Infinity;
    let sumsMs = Infinity;
    for (let round = 0; round < 5; round++) {
      const start = performance.now();
      const distances = rowDistances(resident.full, queries, wanted, lists, () => {});
      const middle = performance.now();
      const own = posteriorScalars(distances, divisors);
      const scalarsEnd = performance.now();
      weightedSums(resident, { lists, distances, divisors, own, global: own, negligibleShare: 2 ** -40 }, () => {});
      distancesMs = Math.min(distancesMs, middle - start);
      sumsMs = Math.min(sumsMs, performance.now() - scalarsEnd);
    }
    const work = rows * batch * 784;
    const speed = (ms: number): string => (work / ms / 1e6).toFixed(2);
    process.stdout.write(
      `${dtype} n=${rows} D=784 B=${batch}: distances ${speed(distancesMs)} G multiply-adds/s, weighted sums ${speed(sumsMs)} G multiply-adds/s, one thread\n`,
    );
  }
}
