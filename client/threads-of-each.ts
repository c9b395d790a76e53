/** How the workers of one machine share its cores. */

import { availableParallelism } from 'node:os';

/**
 * Two threads at the least, where there are two cores: a worker with one thread ends its part of a step on one core, while the cores of the workers that are done have
 * nothing to do. The threads of a worker share its part piece by piece, and sleep between steps.
 *
 * @param shards workers on this machine, 1 or more
 * @returns compute threads of each
 */
export function threadsOfEach(shards: number, cores = availableParallelism()): number {
  return Math.max(Math.floor(cores / shards), Math.min(2, cores));
}
