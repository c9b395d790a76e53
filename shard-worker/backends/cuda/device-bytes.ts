/** Bytes of device memory that a partition takes; shard-worker/cuda/engine/partition.cpp allocates them. */

import { proxyGeometry } from '../../../shared/math/proxy.js';
import type { PartitionSize } from '../resident-partitions.js';

/** Rows begin at multiples of it (launches.h ROW_BYTES). */
const ROW_BYTES = 64;
/** Sum of the values and sum of their squares, 8 bytes each. */
const NORM_BYTES = 16;
/** A label and a row id. */
const NAME_BYTES = 8;

/** Rows, norms, names, and proxies at the resolution that is used where none is asked for, so that making them later always fits. */
export function expectedDeviceBytes({ rows, shape, eightBit }: PartitionSize): number {
  const dim = shape[0] * shape[1] * shape[2];
  const { factor, values: pooled } = proxyGeometry(shape, 0);
  if (!eightBit) return rows * (dim * 4 + NAME_BYTES + (factor === 1 ? 0 : pooled * 4));
  const planes = factor <= 16 ? 2 : 3;
  const proxies = factor === 1 ? 0 : planes * padded(pooled) + NORM_BYTES;
  return rows * (padded(dim) + NORM_BYTES + NAME_BYTES + proxies);
}

function padded(bytes: number): number {
  return Math.ceil(bytes / ROW_BYTES) * ROW_BYTES;
}
