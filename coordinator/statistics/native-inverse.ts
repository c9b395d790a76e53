/**
 * The inverse that a locality mask is made of, by the native engine's threaded solver where it is built: some seconds for D = 3,072, where TypeScript takes twenty.
 * The two agree to rounding, so that a mask may differ in an entry that lies on its threshold to the last bits.
 */

import { invariant } from '../../shared/errors.js';
import { loadAddon } from '../../shared/native/load-addon.js';

/** (covariance + ratio I)^-1 [D, D] of a symmetric covariance [D, D]; ratio > 0. Cost: D^3 multiply-adds and four matrices of D^2 doubles. */
export type Inverse = (covariance: Float64Array, ratio: number) => Promise<Float64Array>;

/** Undefined where the engine is not built. @param threads at least 1 */
export function nativeInverse(threads: number, load: typeof loadAddon = loadAddon): Inverse | undefined {
  const loaded = load();
  if (!('addon' in loaded)) return undefined;
  const { addon, isas } = loaded;
  return async (covariance, ratio) => {
    const n = Math.round(Math.sqrt(covariance.length));
    invariant(n * n === covariance.length, 'a covariance is square');
    const matrix = Float64Array.from(covariance);
    const rhs = new Float64Array(n * n);
    for (let p = 0; p < n; p++) {
      matrix[p * n + p] = matrix[p * n + p]! + ratio;
      rhs[p * n + p] = 1;
    }
    // An engine of its own for each, since masks are made seldom and its threads should not wait in between.
    const engine = addon.createEngine({ threads, isa: isas[0]!, stepStateBytesMax: Infinity });
    try {
      return await addon.spdSolve(engine, { n, matrix, rhs, columns: n });
    } finally {
      addon.closeEngine(engine);
    }
  };
}
