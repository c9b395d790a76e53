import type { Fault } from './fault.js';
import { NETWORK_FAULTS } from './network-faults.js';
import { WORKER_FAULTS } from './worker-faults.js';

/** In the order of the report. */
export const FAULTS: readonly Fault[] = [...WORKER_FAULTS, ...NETWORK_FAULTS];
