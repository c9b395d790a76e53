import { ACCEPTANCE } from './acceptance.js';
import { CHANGE_FAULTS } from './change-faults.js';
import { CONTROL_FAULTS } from './control-faults.js';
import type { Fault } from './fault.js';
import { FILE_FAULTS } from './file-faults.js';
import { NETWORK_FAULTS } from './network-faults.js';
import { WORKER_FAULTS } from './worker-faults.js';

/** In the order of the report. */
export const FAULTS: readonly Fault[] = [...WORKER_FAULTS, ...NETWORK_FAULTS, ...FILE_FAULTS, ...CONTROL_FAULTS, ...CHANGE_FAULTS, ACCEPTANCE];
