/**
 * A process that starts before what it needs is there: NATS is still electing, or the job that imports the data set is still at work. Where the processes of a cluster
 * are started together and in no order, as by Kubernetes, waiting inside is better than ending and being started again with growing pauses.
 */

import type { Option } from 'commander';
import { again } from './again.js';
import { flag, integer } from './config.js';
import { asGolddiffError, GolddiffError, type ErrorCode } from './errors.js';
import { NATS_CONNECT_TIMEOUT_MS, START_AGAIN_MS, START_WAIT_LOG_MS } from './limits.js';
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

/**
 * Runs one part of a start, again and again while it fails for what may come, until the time is over. A NATS server that is slow just now, as under many processes that
 * start at once, is asked again for as long as a first connection may take, also where no wait was asked for. @throws what `open` threw last
 */
export async function waitAtStart<T>(open: () => Promise<T>, { startWaitMs }: StartWaitFlags, log: Logger, againMs = START_AGAIN_MS): Promise<T> {
  const startMs = performance.now();
  const endOf = (code: ErrorCode): number => startMs + (code === 'CONTROL_PLANE_LOST' ? Math.max(startWaitMs, NATS_CONNECT_TIMEOUT_MS) : startWaitMs);
  let toldMs = -Infinity;
  return again(open, {
    endMs: endOf('CONTROL_PLANE_LOST'),
    everyMs: againMs,
    while: (thrown) => thrown instanceof GolddiffError && MAY_COME.includes(thrown.code) && performance.now() < endOf(thrown.code),
    onWait: (thrown) => {
      const [{ code, message }, nowMs] = [asGolddiffError(thrown), performance.now()];
      if (nowMs - toldMs < START_WAIT_LOG_MS) return;
      log.warn({ code, leftMs: Math.round(endOf(code) - nowMs) }, `${message}; the start waits for it`);
      toldMs = nowMs;
    },
  });
}
