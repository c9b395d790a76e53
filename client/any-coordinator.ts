/**
 * Calls that any coordinator can answer, made on the first that does: for work that outlives coordinators. What may succeed later is tried again on the next one, for
 * a while; everything else fails at once.
 */

import { again } from '../shared/again.js';
import { defined } from '../shared/defined.js';
import { GolddiffError } from '../shared/errors.js';
import { ANY_COORDINATOR_AGAIN_MS } from '../shared/limits.js';
import { refusedForGood } from '../shared/rpc/connection-failure.js';
import { connect, type ClientTls, type GolddiffClient } from './golddiff-client.js';
import { listenForInterrupts } from './interrupts.js';

export interface AnyCoordinator {
  /** fires at Ctrl-C */
  readonly signal: AbortSignal;
  /** @throws what the call throws where that is for good, or where no coordinator could answer within the time */
  readonly ask: <T>(call: (client: GolddiffClient) => Promise<T>) => Promise<T>;
}

export interface Coordinators {
  readonly endpoints: readonly string[];
  /** how long a call is tried again */
  readonly patienceMs: number;
  /** absent = plain text */
  readonly tls?: ClientTls;
}

export async function withAnyCoordinator<T>(
  { endpoints, patienceMs, tls }: Coordinators,
  use: (coordinators: AnyCoordinator) => Promise<T>,
): Promise<T> {
  const clients = endpoints.map((endpoint) => connect(endpoint, defined({ tls })));
  const interrupts = listenForInterrupts();
  let current = 0;
  const ask = <R>(call: (client: GolddiffClient) => Promise<R>): Promise<R> => {
    const refusedBy = new Set<number>();
    return again(() => call(clients[current]!), {
      endMs: performance.now() + patienceMs,
      everyMs: ANY_COORDINATOR_AGAIN_MS,
      while: (thrown) => {
        // A job that is not done does not become so by asking another.
        if (!(thrown instanceof GolddiffError) || !thrown.retryable || thrown.code === 'JOB_NOT_DONE') return false;
        if (refusedForGood(thrown)) refusedBy.add(current);
        else refusedBy.delete(current);
        return refusedBy.size < clients.length && !interrupts.signal.aborted;
      },
      onWait: () => (current = (current + 1) % clients.length),
    });
  };
  try {
    return await use({ signal: interrupts.signal, ask });
  } finally {
    clients.forEach((client) => client.close());
    interrupts.release();
  }
}
