/** Callers of every kind, so that every panel has something to show. */

import type { GolddiffClient } from '../../client/golddiff-client.js';
import { GolddiffError } from '../../shared/errors.js';
import { mnistTestImages } from '../support/data-sets.js';

const DIM = 784;
const PAUSE_MS = 20;
/** One recall in 64 queries is measured. */
const MANY = 64;
/** Few candidates: an index is of use only where most rows are none. */
const SMALL = { kind: 'golden', kMin: 20, kMax: 60, candidatePool: 200 } as const;

export interface Callers {
  /** Calls that ended by a gRPC status, and those that ended well, so far. */
  readonly ended: Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

function callers(count: number, call: (caller: number) => Promise<unknown>): Callers {
  const ended: Record<string, number> = {};
  let stopped = false;
  const loop = async (caller: number): Promise<void> => {
    while (!stopped) {
      const outcome = await call(caller).then(
        () => 'OK',
        (error: unknown) => (error instanceof GolddiffError ? error.code : String(error)),
      );
      ended[outcome] = (ended[outcome] ?? 0) + 1;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, caller) => loop(caller)));
  return {
    ended,
    stop: async () => {
      stopped = true;
      await all;
    },
  };
}

/** Every denoiser's route, retrieval, search and service, at little and much noise. */
export function mixedCallers(clients: readonly GolddiffClient[]): Callers {
  const few = mnistTestImages(4);
  const many = mnistTestImages(MANY);
  const shape = [4, DIM];
  let turn = 0;
  const key = `dashboards-${process.pid}`;
  const calls: readonly ((client: GolddiffClient, turn: number) => Promise<unknown>)[] = [
    (client, n) => client.score({ x: few, shape, t: [20, 250, 450, 950], returnMassRows: n % 2 === 0 }),
    (client) => client.score({ x: few, shape, t: [20, 250, 650, 950], retrieval: { kind: 'golden', search: 'scan', maxTailMass: 1e-3 } }),
    (client) => client.score({ x: many, shape: [MANY, DIM], t: 100, retrieval: { ...SMALL, search: 'hnsw' } }),
    (client) => client.score({ x: few, shape, t: 20, retrieval: SMALL }),
    (client) => client.score({ x: few, shape, t: 150, retrieval: { kind: 'golden', k: 4_000 } }),
    (client) => client.score({ x: few, shape, t: 150, denoiser: 'patch', retrieval: { kind: 'golden' } }),
    (client) => drained(client.sample({ count: 2, steps: 3, previewEvery: 1, retrieval: { kind: 'golden' } })),
    (client, n) => client.jobs.submit(`${key}-${n}`, { count: 2, steps: 3, retrieval: { kind: 'golden' } }),
    (client) => client.cluster.status(),
    (client) => client.datasets.list(),
    (client) => client.score({ x: few, shape: [4, DIM - 1], t: 5 }),
  ];
  return callers(2, () => {
    const n = turn++;
    return calls[n % calls.length]!(clients[Math.floor(n / calls.length) % clients.length]!, n);
  });
}

/** More than a queue takes, of scores that take their time. */
export function manyCallers(client: GolddiffClient, count: number): Callers {
  const x = mnistTestImages(128);
  return callers(count, () => client.score({ x, shape: [128, DIM], t: 500, denoiser: 'patch' }));
}

export function plainCallers(client: GolddiffClient): Callers {
  const x = mnistTestImages(1);
  return callers(1, () => client.score({ x, shape: [1, DIM], t: 500 }));
}

async function drained(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}
