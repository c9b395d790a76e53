/** Bytes that the native engine keeps beside the rows of a partition. */

import { proxyGeometry } from '../../../shared/math/proxy.js';

/** Sum of the values and sum of their squares, 8 bytes each. */
const NORM_BYTES = 16;

/** Norms, and proxies at the resolution that is used where none is asked for: exact block sums in 16 bits where they fit, as in the reference backend. */
export function expectedExtraBytes(eightBit: boolean, rows: number, shape: readonly [number, number, number]): number {
  const geometry = proxyGeometry(shape, 0);
  if (geometry.factor === 1) return rows * NORM_BYTES;
  const valueBytes = !eightBit ? 4 : geometry.factor ** 2 * 255 <= 0xffff ? 2 : 4;
  return rows * (NORM_BYTES + geometry.values * valueBytes);
}
