/** Bytes that the native engine keeps beside the rows of a partition; partition.cpp allocates them. */

import { proxyGeometry } from '../../../shared/math/proxy.js';

/** Of 8-bit rows: sum of the values and sum of their squares, 8 bytes each. */
const NORM_BYTES = 16;
/** Read behind the last row (GD_DOT_SLACK). */
const SLACK_BYTES = 64;
/** What pooling leaves of a row: its norm, a double, and those of 128 regions, a byte each; one slack more, to begin at a line of the cache. */
const LEFT_BYTES = 8 + 128;
/** One double for each value. */
const MEAN_BYTES = 8;

/**
 * Norms, the mean row, and proxies at the resolution that is used where none is asked for. Proxies of 8-bit rows are exact block sums in planes of 8 bits with norms of
 * their own: two planes (or one of words, as many bytes) where f^2 * 255 fits in 16 bits, else three; and the same rounded to one plane; and norms of what pooling leaves,
 * of a row and by the region that a value of a channel's proxy lies in. Float rows have no norms, and float proxies.
 */
export function expectedExtraBytes(eightBit: boolean, rows: number, shape: readonly [number, number, number]): number {
  const dim = shape[0] * shape[1] * shape[2];
  const { factor, values } = proxyGeometry(shape, 0);
  if (!eightBit) return factor === 1 ? 0 : rows * values * 4;
  const copiedRows = Math.min(rows, Math.ceil(SLACK_BYTES / dim));
  const full = rows * NORM_BYTES + dim * MEAN_BYTES + copiedRows * dim + SLACK_BYTES;
  const planes = factor <= 16 ? 2 : 3;
  if (factor === 1) return full;
  const left = rows * LEFT_BYTES + 2 * SLACK_BYTES + values / shape[0];
  return full + 2 * (rows * NORM_BYTES + values * MEAN_BYTES) + left + (planes + 1) * (rows * values + SLACK_BYTES);
}
