/** What every backend says of the partitions it holds: their name, and whether there is room for one more. */

import { GolddiffError } from '../../shared/errors.js';
import type { PartitionRef, PartitionRows } from './backend.js';

/** One string for each partition of each data set. */
export function partitionKey({ dataSet, partition }: PartitionRef): string {
  return `${partition}/${dataSet}`;
}

/** What the memory of a partition depends on. */
export interface PartitionSize {
  /** n */
  readonly rows: number;
  /** [C, H, W] */
  readonly shape: PartitionRows['shape'];
  readonly eightBit: boolean;
}

export function sizeOf({ rows, shape, values }: PartitionRows): PartitionSize {
  return { rows, shape, eightBit: values instanceof Uint8Array };
}

/** @throws LIMIT_EXCEEDED naming bytes needed and free */
export function checkDeviceMemory({ dataSet, partition }: PartitionRef, neededBytes: number, freeBytes: number): void {
  if (neededBytes <= freeBytes) return;
  throw new GolddiffError(
    'LIMIT_EXCEEDED',
    `Partition ${partition} of ${dataSet} needs ${neededBytes} bytes of device memory but ${Math.max(0, freeBytes)} are free`,
    { partitions: [partition] },
  );
}

export function notHeld({ dataSet, partition }: PartitionRef): GolddiffError {
  return new GolddiffError('PARTITION_MISSING', `Partition ${partition} of ${dataSet} is not held`, { partitions: [partition] });
}
