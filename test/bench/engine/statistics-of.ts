/** Mean, covariance and SPD solve by the native engine. They are of its addon and not of the interface of all backends. */

import type { PartitionRows } from '../../../shard-worker/backends/backend.js';
import { loadAddon } from '../../../shard-worker/backends/native/load-addon.js';
import { GolddiffError } from '../../../shared/errors.js';
import { repeated } from './repeat.js';
import type { StatisticsReply, StatisticsRequest } from './requests.js';

/** Covariance of all rows, and (s^2 I + a^2 Sigma)^-1. Errors: BACKEND_MISSING where the addon does not load. */
export async function nativeStatistics(request: StatisticsRequest, all: readonly PartitionRows[], threads: number): Promise<StatisticsReply> {
  const loaded = loadAddon();
  if (!('addon' in loaded)) throw new GolddiffError('BACKEND_MISSING', loaded.missing);
  const { addon, isas } = loaded;
  const engine = addon.createEngine({ threads, isa: isas[0]!, stepStateBytesMax: Infinity });
  try {
    const partitions = await Promise.all(
      all.map(({ rows, shape: [channels, height, width], values, labels, rowIds }) =>
        addon.loadPartition(engine, { rows, channels, height, width, values, labels, rowIds }),
      ),
    );
    const covariance = await repeated(() => addon.covariance(engine, partitions), request, 0);
    const sigma = covariance.values[0]!.covariance;
    const dim = Math.sqrt(sigma.length);
    const identity = new Float64Array(dim * dim);
    const matrix = sigma.map((value) => request.alpha ** 2 * value);
    for (let i = 0; i < dim; i++) {
      identity[i * dim + i] = 1;
      matrix[i * dim + i] = matrix[i * dim + i]! + request.sigma ** 2;
    }
    const solve = await repeated(() => addon.spdSolve(engine, { n: dim, matrix, rhs: identity, columns: dim }), request, 0);
    return { covarianceMs: covariance.times, solveMs: solve.times, trace: traceOf(sigma, dim), inverseTrace: traceOf(solve.values[0]!, dim) };
  } finally {
    addon.closeEngine(engine);
  }
}

export function traceOf(matrix: Float64Array, dim: number): number {
  let trace = 0;
  for (let i = 0; i < dim; i++) trace += matrix[i * dim + i]!;
  return trace;
}
