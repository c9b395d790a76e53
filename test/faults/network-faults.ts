/** Workers that nobody hears any more, though they live: packets are dropped, and no connection is closed. */

import assert from 'node:assert/strict';
import { Fleet } from '../support/fleet.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { makeHosts, namespacesMissing } from '../support/network-namespaces.js';
import { until } from '../support/until.js';
import type { Fault, FaultFigures } from './fault.js';
import { Load } from './load.js';
import { questions } from './questions.js';
import { WARM_UP_ANSWERS, WHOLE_WITHIN_MS, scatterNotes, whole } from './worker-faults.js';

const WORKERS = 3;
const REPLICAS = 2;
const CUT_OFF = 1;
const CUT_OFF_ID = 'worker-01';

/** From everybody: its lease ends. */
async function fromAll(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const { hosts, dispose } = makeHosts(WORKERS);
  let fleet: Fleet | undefined;
  try {
    const place = (n: number) => ({ host: hosts[n]!.address, launcher: hosts[n]!.launcher });
    fleet = await Fleet.start({ dataDir, workers: WORKERS, replicas: REPLICAS, workerOf: place });
    const load = new Load([fleet.coordinators[0]!.address], scores);
    await load.answered(WARM_UP_ANSWERS);
    load.fault();
    const start = performance.now();
    hosts[CUT_OFF]!.wall();
    await load.answered(10);
    const worker = fleet.workers.get(CUT_OFF_ID)!;
    fleet.workers.delete(CUT_OFF_ID);
    await whole(fleet, REPLICAS);
    const recoveredMs = performance.now() - start;
    hosts[CUT_OFF]!.heal();
    fleet.workers.set(CUT_OFF_ID, worker);
    const healed = performance.now();
    await whole(fleet, REPLICAS);
    const backMs = performance.now() - healed;
    await load.answered(WARM_UP_ANSWERS);
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'with a second replica no request fails');
    const notes = [...(await scatterNotes(await fleet.metricsOfCoordinators())), `it has its part again ${Math.round(backMs)} ms after the end`];
    return { ...figures, recoveredMs, recovery: 'its partitions loaded elsewhere', notes };
  } finally {
    await fleet?.stop();
    dispose();
  }
}

/** From the coordinators alone: its heartbeats go on, and it keeps its lease. */
async function fromCoordinators(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const { hosts, dispose } = makeHosts(WORKERS);
  const nats = await startNats(1, { host: hosts[0]!.gateway });
  let fleet: Fleet | undefined;
  try {
    const place = (n: number) => ({ host: hosts[n]!.address, launcher: hosts[n]!.launcher });
    fleet = await Fleet.start({ dataDir, workers: WORKERS, replicas: REPLICAS, workerOf: place, nats: nats.addresses, coordinators: 2 });
    const endpoints = fleet.coordinators.map(({ address }) => address);
    const load = new Load(endpoints, scores);
    await load.answered(WARM_UP_ANSWERS);
    const port = Number(fleet.workers.get(CUT_OFF_ID)!.address.split(':')[1]);
    load.fault();
    const start = performance.now();
    hosts[CUT_OFF]!.wall(port);
    await load.answered(WARM_UP_ANSWERS);
    const recoveredMs = performance.now() - start;
    const { workers } = await fleet.client.cluster.status();
    assert.ok(
      workers.some(({ workerId }) => workerId === CUT_OFF_ID),
      'its heartbeats come',
    );
    hosts[CUT_OFF]!.heal();
    const healed = performance.now();
    const asked = async (): Promise<number> => (await fleet!.metricsOfWorkers())[CUT_OFF]!.sum('golddiff_worker_steps_total');
    const before = await asked();
    await until(async () => (await asked()) > before + 5, 'it gets steps again', WHOLE_WITHIN_MS);
    const backMs = performance.now() - healed;
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'with a second replica no request fails');
    const notes = [...(await scatterNotes(await fleet.metricsOfCoordinators())), `it gets steps again ${Math.round(backMs)} ms after the end`];
    return { ...figures, recoveredMs, recovery: `${WARM_UP_ANSWERS} answers`, notes };
  } finally {
    await fleet?.stop();
    await nats.dispose();
    dispose();
  }
}

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    name: 'a worker is cut off (nftables drops its packets)',
    holds: 'no request fails; it is placed around when its lease ends, and has its part again afterwards',
    skip: namespacesMissing,
    run: fromAll,
  },
  {
    name: 'a worker is cut off from the coordinators, and not from NATS',
    holds: 'no request fails though its heartbeats go on; it gets steps again afterwards',
    skip: namespacesMissing ?? natsMissing,
    run: fromCoordinators,
  },
];
