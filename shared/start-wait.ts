/**
 * A process that starts before what it needs is there: NATS is still electing, or the job that imports the data set is still at work. Where the processes of a cluster
 * are started together and in no order, as by Kubernetes, waiting inside is better than ending and being started again with growing pauses.
 */

import type { Option } from 'commander';
import { flag, integer } from './config.js';
import { GolddiffError, type ErrorCode } from './errors.js';
import { START_AGAIN_MS, START_WAIT_LOG_MS } from './limits.js';
import type { Logger } from './log.js';

export interface StartWaitFlags {
  readonly startWaitMs: number;
}

/** What may come by itself; anything else ends the start at once. */
const MAY_COME: readonly ErrorCode[] = ['NOT_FOUND', 'DATA_UNAVAILABLE', 'CONTROL_PLANE_LOST'];

export function startWaitFlag(): Option {
  return flag({
    name: 'start-wait-ms',
    placeholder: 'INT',
    description: 'how long a start waits for NATS and the data set where they are not there yet; 0 = it fails',
    parser: integer(0, 86_400_000),
    fallback: '0',
  });
}

/** Runs one part of a start, again and again while it fails for what may come, until the time is over. @throws what `open` threw last */
export async function waitAtStart<T>(open: () => Promise<T>, { startWaitMs }: StartWaitFlags, log: Logger, againMs = START_AGAIN_MS): Promise<T> {
  const endMs = performance.now() + startWaitMs;
  let toldMs = -Infinity;
  for (;;) {
    try {
      return await open();
    } catch (thrown) {
      if (!(thrown instanceof GolddiffError) || !MAY_COME.includes(thrown.code) || performance.now() + againMs > endMs) throw thrown;
      if (performance.now() - toldMs >= START_WAIT_LOG_MS) {
        log.warn({ code: thrown.code, leftMs: Math.round(endMs - performance.now()) }, `${thrown.message}; the start waits for it`);
        toldMs = performance.now();
      }
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }
}
