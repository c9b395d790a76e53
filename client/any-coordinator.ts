/**
 * Calls that any coordinator can answer, made on the first that does: for work that outlives coordinators. What may succeed later is tried again on the next one, for
 * a while; everything else fails at once.
 */

import { asGolddiffError, GolddiffError } from '../shared/errors.js';
import { ANY_COORDINATOR_AGAIN_MS } from '../shared/limits.js';
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
  const clients = endpoints.map((endpoint) => connect(endpoint, tls === undefined ? {} : { tls }));
  const interrupts = listenForInterrupts();
  let current = 0;
  const ask = async <R>(call: (client: GolddiffClient) => Promise<R>): Promise<R> => {
    const endMs = performance.now() + patienceMs;
    let tlsFailures = 0;
    for (;;) {
      try {
        return await call(clients[current]!);
      } catch (thrown) {
        const error = asGolddiffError(thrown);
        // A job that is not done does not become so by asking another.
        const elsewhere = error instanceof GolddiffError && error.retryable && error.code !== 'JOB_NOT_DONE';
        // Certificates do not change while somebody waits; those of another coordinator may be right.
        const refused = error.code === 'TLS_FAILED' && ++tlsFailures === clients.length;
        if (!elsewhere || refused || interrupts.signal.aborted || performance.now() >= endMs) throw error;
        current = (current + 1) % clients.length;
        await new Promise((resolve) => setTimeout(resolve, ANY_COORDINATOR_AGAIN_MS));
      }
    }
  };
  try {
    return await use({ signal: interrupts.signal, ask });
  } finally {
    clients.forEach((client) => client.close());
    interrupts.release();
  }
}
