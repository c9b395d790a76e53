/** Mean, covariance, SPD solve and locality masks by the native engine. They are of its addon and not of the interface of all backends. */

import { maskOfInverse } from '../../../coordinator/statistics/locality-mask.js';
import type { PartitionRows } from '../../../shard-worker/backends/backend.js';
import { loadAddon } from '../../../shared/native/load-addon.js';
import type { NativeAddon, NativeEngine, NativePartition } from '../../../shared/native/native-addon.js';
import { GolddiffError } from '../../../shared/errors.js';
import type { SupportSet } from '../../../shared/math/support-set.js';
import { repeated } from './repeat.js';
import type { StatisticsReply, StatisticsRequest } from './requests.js';

async function withEngine<T>(
  all: readonly PartitionRows[],
  threads: number,
  use: (addon: NativeAddon, engine: NativeEngine, partitions: readonly NativePartition[]) => Promise<T>,
): Promise<T> {
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
    return await use(addon, engine, partitions);
  } finally {
    addon.closeEngine(engine);
  }
}

/** Covariance of all rows, and (s^2 I + a^2 Sigma)^-1. Errors: BACKEND_MISSING where the addon does not load. */
export function nativeStatistics(request: StatisticsRequest, all: readonly PartitionRows[], threads: number): Promise<StatisticsReply> {
  return withEngine(all, threads, async (addon, engine, partitions) => {
    const covariance = await repeated(() => addon.covariance(engine, partitions), request, 0);
    const sigma = covariance.values[0]!.covariance;
    const solve = await repeated(() => Promise.resolve(inverseOf(addon, engine, sigma, request.alpha ** 2, request.sigma ** 2)), request, 0);
    const dim = Math.sqrt(sigma.length);
    return { covarianceMs: covariance.times, solveMs: solve.times, trace: traceOf(sigma, dim), inverseTrace: traceOf(solve.values[0]!, dim) };
  });
}

/** The covariance of all rows [D, D]. */
export function nativeCovariance(all: readonly PartitionRows[], threads: number): Promise<Float64Array> {
  return withEngine(all, threads, async (addon, engine, partitions) => (await addon.covariance(engine, partitions)).covariance);
}

/** The locality mask by the engine's solver; the formula is the coordinator's. */
export function nativeMask(covariance: Float64Array, ratio: number, threshold: number, threads: number): Promise<SupportSet> {
  return withEngine([], threads, (addon, engine) =>
    Promise.resolve(maskOfInverse(covariance, inverseOf(addon, engine, covariance, 1, ratio), ratio, threshold)),
  );
}

/** (factor covariance + shift I)^-1 */
function inverseOf(addon: NativeAddon, engine: NativeEngine, covariance: Float64Array, factor: number, shift: number): Float64Array {
  const n = Math.sqrt(covariance.length);
  const rhs = new Float64Array(n * n);
  const matrix = covariance.map((value) => factor * value);
  for (let i = 0; i < n; i++) {
    rhs[i * n + i] = 1;
    matrix[i * n + i] = matrix[i * n + i]! + shift;
  }
  addon.spdSolve(engine, { n, matrix, rhs, columns: n });
  return rhs;
}

export function traceOf(matrix: Float64Array, dim: number): number {
  let trace = 0;
  for (let i = 0; i < dim; i++) trace += matrix[i * dim + i]!;
  return trace;
}
