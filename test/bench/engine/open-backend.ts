/** The backend that a benchmark measures, by name. */

import type { Backend } from '../../../shard-worker/backends/backend.js';
import { createBackend } from '../../../shard-worker/backends/create-backend.js';
import { createLogger } from '../../../shared/log.js';

export const MEASURED_BACKENDS = ['native', 'reference'] as const;
export type MeasuredBackend = (typeof MEASURED_BACKENDS)[number];

/** Errors: BACKEND_MISSING, with what to do, where this build has it not. */
export async function openBackend(wish: MeasuredBackend, computeThreads: number): Promise<Backend> {
  const log = createLogger('bench', 'warn');
  return (await createBackend({ wish, isa: 'auto', computeThreads, hostMemoryBytes: Infinity, cardMemoryBytes: Infinity, log })).backend;
}
