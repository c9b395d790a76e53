/** What agrees and remembers goes away: a server of NATS, a coordinator; and the acceptance of it all, by the commands that a user types. */

import assert from 'node:assert/strict';
import type { GolddiffClient, JobInfo } from '../../client/golddiff-client.js';
import { NatsSession } from '../../shared/control-plane/nats/session.js';
import { asGolddiffError } from '../../shared/errors.js';
import { Fleet } from '../support/fleet.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { until } from '../support/until.js';
import type { Fault, FaultFigures } from './fault.js';
import { Load } from './load.js';
import { LONG_JOB, questions, undisturbedImages } from './questions.js';
import { WARM_UP_ANSWERS, WHOLE_WITHIN_MS, scatterNotes, whole } from './worker-faults.js';

const WORKERS = 4;
const REPLICAS = 2;
const COORDINATORS = 2;
const JOB_WITHIN_MS = 240_000;

/** The job as any of the clients tells it; one that does not answer is passed over. */
export async function jobOf(clients: () => readonly GolddiffClient[], jobId: string): Promise<JobInfo | undefined> {
  for (const client of clients()) {
    try {
      return await client.jobs.get(jobId);
    } catch (thrown) {
      if (!asGolddiffError(thrown).retryable) throw thrown;
    }
  }
  return undefined;
}

/** Waits until it has ended, and holds it to the bytes of an undisturbed run. */
export async function jobEndsAsUndisturbed(clients: () => readonly GolddiffClient[], jobId: string): Promise<JobInfo> {
  let job: JobInfo | undefined;
  await until(async () => (job = await jobOf(clients, jobId))?.state === 'succeeded' || job?.state === 'failed', 'the job ends', JOB_WITHIN_MS);
  assert.deepEqual([job!.state, job!.failure], ['succeeded', '']);
  let images: Float32Array | undefined;
  for (const client of clients())
    images ??= await client.jobs.result(jobId).then(
      ({ images: found }) => found,
      () => undefined,
    );
  assert.deepEqual(images, await undisturbedImages());
  return job!;
}

export function jobNote({ evaluationsTotal, deliveries }: JobInfo, doneAtFault: number): string {
  const share = Math.round((100 * doneAtFault) / evaluationsTotal);
  return `a job of ${LONG_JOB.count} images, ${share} % done at the fault, taken up ${deliveries} times, ends in the bytes of an undisturbed run`;
}

/** The server that leads most of what is kept. */
async function natsLeader(addresses: readonly string[]): Promise<number> {
  const session = await NatsSession.open({ servers: addresses, namespace: 'golddiff', replicas: 3, clientName: 'test' });
  try {
    const leaders: string[] = [];
    for await (const { cluster } of session.manager.streams.list()) leaders.push(cluster?.leader ?? '');
    const count = (name: string): number => leaders.filter((leader) => leader === name).length;
    return Number([...new Set(leaders)].sort((a, b) => count(b) - count(a))[0]!.slice(1));
  } finally {
    await session.close();
  }
}

async function natsServerLost(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  await undisturbedImages();
  const nats = await startNats(3);
  let fleet: Fleet | undefined;
  try {
    const cluster = { workers: WORKERS, replicas: REPLICAS, coordinators: COORDINATORS, nats: nats.addresses, natsReplicas: 3 };
    fleet = await Fleet.start({ dataDir, ...cluster });
    const { clients } = fleet;
    const load = new Load(
      fleet.coordinators.map(({ address }) => address),
      scores,
      1,
    );
    await load.answered(WARM_UP_ANSWERS);
    const { jobId } = await fleet.client.jobs.submit('nats leader', LONG_JOB);
    await until(async () => ((await jobOf(() => clients, jobId))?.evaluationsDone ?? 0) > 200, 'a part of the job is done', JOB_WITHIN_MS);
    await load.answered(WARM_UP_ANSWERS / 2);
    const doneAtFault = (await jobOf(() => clients, jobId))!.evaluationsDone;
    const victim = nats.servers[await natsLeader(nats.addresses)]!;
    load.fault();
    const start = performance.now();
    await victim.kill();
    // Something that needs an election: an order that is written.
    await until(
      () =>
        clients[1]!.cluster.drain('worker-03').then(
          () => true,
          () => false,
        ),
      'an order is taken',
      WHOLE_WITHIN_MS,
    );
    const recoveredMs = performance.now() - start;
    await clients[1]!.cluster.drain('worker-03', true);
    const job = await jobEndsAsUndisturbed(() => clients, jobId);
    await victim.restart();
    await whole(fleet, REPLICAS);
    const figures = await load.stop();
    assert.deepEqual(figures.errors, {}, 'steps go on without the control plane');
    return { ...figures, recoveredMs, recovery: 'an order to drain is taken again', notes: [jobNote(job, doneAtFault)] };
  } finally {
    await fleet?.stop();
    await nats.dispose();
  }
}

async function coordinatorKilled(): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  await undisturbedImages();
  const nats = await startNats();
  let fleet: Fleet | undefined;
  try {
    fleet = await Fleet.start({ dataDir, workers: WORKERS, replicas: REPLICAS, coordinators: COORDINATORS, nats: nats.addresses });
    const { coordinators, clients } = fleet;
    const load = new Load(() => coordinators.map(({ address }) => address), scores, 2);
    await load.answered(WARM_UP_ANSWERS);
    const { jobId } = await fleet.client.jobs.submit('coordinator', LONG_JOB);
    await until(async () => ((await jobOf(() => clients, jobId))?.evaluationsDone ?? 0) > 200, 'a part of the job is done', JOB_WITHIN_MS);
    await load.answered(WARM_UP_ANSWERS / 2);
    const doneAtFault = (await jobOf(() => clients, jobId))!.evaluationsDone;
    const { leader } = await fleet.client.cluster.status();
    const lost = Number(leader.split('-')[1]);
    const left = clients[1 - lost]!;
    load.fault();
    const start = performance.now();
    await coordinators[lost]!.kill();
    await until(
      async () => {
        const status = await left.cluster.status();
        return status.leader === status.coordinator;
      },
      'another leads',
      WHOLE_WITHIN_MS,
    );
    const recoveredMs = performance.now() - start;
    const job = await jobEndsAsUndisturbed(() => [left], jobId);
    await fleet.restartCoordinator(lost);
    await whole(fleet, REPLICAS);
    await load.answered(WARM_UP_ANSWERS);
    const figures = await load.stop();
    const metrics = await fleet.metricsOfCoordinators();
    return { ...figures, recoveredMs, recovery: 'another coordinator leads', notes: [jobNote(job, doneAtFault), ...(await scatterNotes(metrics))] };
  } finally {
    await fleet?.stop();
    await nats.dispose();
  }
}

export const CONTROL_FAULTS: readonly Fault[] = [
  {
    name: 'the leading NATS server is killed (one of three)',
    holds: 'no request fails; no job is lost; orders are taken again after the election',
    skip: natsMissing,
    run: natsServerLost,
  },
  {
    name: 'the leading coordinator is killed (one of two)',
    holds: 'clients go to the other; no job is lost; the other leads',
    skip: natsMissing,
    run: coordinatorKilled,
  },
];
