/** A worker that dies, hangs, or is far away. */

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/golddiff-client.js';
import { startDelayedCluster } from '../support/delayed-cluster.js';
import { Fleet } from '../support/fleet.js';
import { ScrapedMetrics } from '../support/scraped-metrics.js';
import { until } from '../support/until.js';
import type { Fault, FaultFigures } from './fault.js';
import { Load } from './load.js';
import { questions } from './questions.js';

/** Answers before a fault: enough for the times of every kind of round to be known. */
export const WARM_UP_ANSWERS = 60;
const WORKERS = 4;
const REPLICAS = 2;
/** Until everything has its replicas again: a lease, a placement and its loads, on a slow machine. */
export const WHOLE_WITHIN_MS = 60_000;
/** Beyond the lease, so that a worker that stands still is slow at first and dead then. */
const STOPPED_MS = 5_000;
const SLOW_LINK_MS = 300;
const SLOW_FOR_MS = 3_000;

/** Every coordinator knows of so many live replicas of every partition, on the workers that are meant to be here. */
export async function whole(fleet: Fleet, replicas: number): Promise<void> {
  await fleet.placed(WHOLE_WITHIN_MS);
  await until(
    async () => {
      const statuses = await Promise.all(fleet.clients.map((client) => client.cluster.status()));
      return statuses.every(({ partitions }) => partitions.every((p) => p.replicas.length === replicas));
    },
    `${replicas} replicas of everything`,
    WHOLE_WITHIN_MS,
  );
}

/** What the scatter did about it, over all coordinators. */
export async function scatterNotes(metrics: readonly ScrapedMetrics[]): Promise<string[]> {
  const sum = (name: string, labels = {}): number => metrics.reduce((total, m) => total + m.sum(`golddiff_coordinator_${name}`, labels), 0);
  const counts: [number, string][] = [
    [sum('hedges_total'), `hedges, ${sum('hedge_wins_total')} won`],
    [sum('hedges_denied_total', { reason: 'budget' }), 'hedges not made for want of tokens'],
    [sum('retries_total', { scope: 'share' }), 'taken over within a step'],
    [sum('retries_total', { scope: 'step' }), 'steps started over'],
    [sum('epoch_refreshes_total'), 'epoch refreshes'],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}

async function killed(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const fleet = await Fleet.start({ dataDir, workers: WORKERS, replicas: REPLICAS });
  try {
    const load = new Load([fleet.coordinators[0]!.address], scores);
    await load.answered(WARM_UP_ANSWERS);
    load.fault();
    const start = performance.now();
    await fleet.killWorker('worker-01');
    await whole(fleet, REPLICAS);
    const recoveredMs = performance.now() - start;
    await load.answered(WARM_UP_ANSWERS);
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'with a second replica no request fails');
    return { ...figures, recoveredMs, recovery: 'two replicas of everything again', notes: await scatterNotes(await fleet.metricsOfCoordinators()) };
  } finally {
    await fleet.stop();
  }
}

async function stopped(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  const fleet = await Fleet.start({ dataDir, workers: WORKERS, replicas: REPLICAS });
  const worker = fleet.workers.get('worker-02')!;
  try {
    const load = new Load([fleet.coordinators[0]!.address], scores);
    await load.answered(WARM_UP_ANSWERS);
    load.fault();
    const start = performance.now();
    process.kill(worker.pid, 'SIGSTOP');
    // Slow at first: answers go on while its lease lasts.
    await load.answered(10);
    fleet.workers.delete('worker-02');
    await whole(fleet, REPLICAS);
    const recoveredMs = performance.now() - start;
    await sleep(Math.max(0, STOPPED_MS - recoveredMs));
    fleet.workers.set('worker-02', worker);
    process.kill(worker.pid, 'SIGCONT');
    const back = performance.now();
    await whole(fleet, REPLICAS);
    const backMs = performance.now() - back;
    await load.answered(WARM_UP_ANSWERS);
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'with a second replica no request fails');
    const notes = [...(await scatterNotes(await fleet.metricsOfCoordinators())), `after SIGCONT it holds its part again in ${Math.round(backMs)} ms`];
    return { ...figures, recoveredMs, recovery: 'its partitions loaded elsewhere', notes };
  } finally {
    if (worker.running) process.kill(worker.pid, 'SIGCONT');
    fleet.workers.set('worker-02', worker);
    await fleet.stop();
  }
}

async function slowLink(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  let slowMs = 0;
  const cluster = await startDelayedCluster({
    dataDir,
    shards: WORKERS,
    replicas: REPLICAS,
    seed: 1,
    delayMs: (worker) => (worker === 1 ? slowMs : 0),
  });
  const client = connect(cluster.endpoint);
  try {
    const load = new Load([cluster.endpoint], scores);
    await load.answered(WARM_UP_ANSWERS);
    load.fault();
    slowMs = SLOW_LINK_MS;
    const start = performance.now();
    await load.answered(1);
    const firstMs = performance.now() - start;
    const answersBefore = load.answers;
    await sleep(SLOW_FOR_MS);
    const perSecond = ((load.answers - answersBefore) / SLOW_FOR_MS) * 1_000;
    slowMs = 0;
    const healed = performance.now();
    await until(async () => (await client.cluster.status()).coverage === 1, 'coverage', WHOLE_WITHIN_MS);
    await load.answered(WARM_UP_ANSWERS);
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'a slow link fails no request');
    const notes = [
      ...(await scatterNotes([await ScrapedMetrics.from(cluster.metricsAddress)])),
      `${Math.round(perSecond)} answers a second meanwhile; one that waited for the link in both its rounds would take ${4 * SLOW_LINK_MS} ms`,
      `${WARM_UP_ANSWERS} answers ${Math.round(performance.now() - healed)} ms after its end`,
    ];
    return { ...figures, recoveredMs: firstMs, recovery: 'the next answer', notes };
  } finally {
    client.close();
    await cluster.stop();
  }
}

export const WORKER_FAULTS: readonly Fault[] = [
  { name: 'a worker is killed (kill -9)', holds: 'no request fails; two replicas of everything again', fast: true, run: killed },
  {
    name: `a worker hangs (SIGSTOP for ${STOPPED_MS / 1_000} s)`,
    holds: 'no request fails; answers go on before its lease ends; it is placed around, and has its part again after SIGCONT',
    fast: true,
    run: stopped,
  },
  { name: `a slow link (${SLOW_LINK_MS} ms each way to one worker)`, holds: 'no request fails', fast: true, run: slowLink },
];
