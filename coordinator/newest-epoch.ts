import type { WorkerStatus } from '../shared/control-plane/control-plane.js';

/** Newest placement epoch at which the worker holds partitions of the data set; 0 = it holds none. */
export function newestEpochOf({ held }: Pick<WorkerStatus, 'held'>, dataSet: string): number {
  return held.reduce((newest, h) => (h.dataSet === dataSet ? Math.max(newest, h.epoch) : newest), 0);
}
