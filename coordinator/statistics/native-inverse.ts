/**
 * The inverse that a locality mask is made of, by the native engine's threaded solver where it is built: some seconds for D = 3,072, where TypeScript takes twenty.
 * The two agree to rounding, so that a mask may differ in an entry that lies on its threshold to the last bits.
 */

import { invariant } from '../../shared/errors.js';
import { loadAddon } from '../../shared/native/load-addon.js';

/** (covariance + ratio I)^-1 [D, D] of a symmetric covariance [D, D]; ratio > 0. Cost: D^3 multiply-adds and three matrices of D^2 doubles. */
export type Inverse = (covariance: Float64Array, ratio: number) => Float64Array;

/**
 * Undefined where the engine is not built. The inverse is made on the calling thread and those beside it: for a worker thread, which may be terminated
 * meanwhile: no native call outlives the return to it.
 * @param threads at least 1 @param stop [1] on shared memory: once it is not 0, an inverse under way returns soon, half done
 */
export function nativeInverse(threads: number, stop?: Int32Array, load: typeof loadAddon = loadAddon): Inverse | undefined {
  const loaded = load();
  if (!('addon' in loaded)) return undefined;
  const { addon, isas } = loaded;
  return (covariance, ratio) => {
    const n = Math.round(Math.sqrt(covariance.length));
    invariant(n * n === covariance.length, 'a covariance is square');
    const matrix = Float64Array.from(covariance);
    const rhs = new Float64Array(n * n);
    for (let p = 0; p < n; p++) {
      matrix[p * n + p] = matrix[p * n + p]! + ratio;
      rhs[p * n + p] = 1;
    }
    // An engine of its own for each, since masks are made seldom and its threads should not wait in between.
    const engine = addon.createEngine({ threads: Math.max(1, threads - 1), isa: isas[0]!, stepStateBytesMax: Infinity });
    try {
      addon.spdSolve(engine, { n, matrix, rhs, columns: n, stop });
      return rhs;
    } finally {
      addon.closeEngine(engine);
    }
  };
}
