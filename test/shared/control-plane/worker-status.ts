import type { WorkerStatus } from '../../../shared/control-plane/control-plane.js';

/** What a worker without partitions says of itself. */
export const status: WorkerStatus = {
  workerId: 'a',
  instanceId: 'a-1',
  address: '127.0.0.1:1',
  backend: 'reference',
  deviceMemoryBytes: 1,
  deviceMemoryUsedBytes: 0,
  openSteps: 0,
  draining: false,
  held: [],
};
