/** The backend that a benchmark measures, by name. */

import type { Backend } from '../../../shard-worker/backends/backend.js';
import { createBackend } from '../../../shard-worker/backends/create-backend.js';
import { createLogger } from '../../../shared/log.js';

export const MEASURED_BACKENDS = ['native', 'reference'] as const;
export type MeasuredBackend = (typeof MEASURED_BACKENDS)[number];

/** Errors: BACKEND_MISSING, with what to do, where this build has it not. */
export function openBackend(wish: MeasuredBackend, computeThreads: number): Backend {
  return createBackend({ wish, isa: 'auto', computeThreads, deviceMemoryBytes: Infinity, log: createLogger('bench', 'warn') });
}
