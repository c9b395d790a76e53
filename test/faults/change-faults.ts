/** Everything is replaced while it works: a rolling restart, and a cluster that grows and shrinks. */

import assert from 'node:assert/strict';
import { Fleet } from '../support/fleet.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { until } from '../support/until.js';
import { jobEndsAsUndisturbed, jobNote, jobOf } from './control-faults.js';
import type { Fault, FaultFigures } from './fault.js';
import { Load } from './load.js';
import { LONG_JOB, questions, undisturbedImages } from './questions.js';
import { WARM_UP_ANSWERS, scatterNotes, whole } from './worker-faults.js';

const REPLICAS = 2;
const STOP_WITHIN_MS = 60_000;
const JOB_WITHIN_MS = 240_000;

/** A job under way and clients that ask, over NATS, while `change` does what it does. */
async function underLoad(
  workers: number,
  recovery: string,
  change: (fleet: Fleet, note: (text: string) => void) => Promise<void>,
  allowed: readonly string[],
): Promise<FaultFigures> {
  const { dataDir, scores } = await questions();
  await undisturbedImages();
  const nats = await startNats();
  let fleet: Fleet | undefined;
  try {
    fleet = await Fleet.start({ dataDir, workers, replicas: REPLICAS, coordinators: 2, nats: nats.addresses });
    const { coordinators, clients } = fleet;
    const load = new Load(() => coordinators.map(({ address }) => address), scores, 2);
    await load.answered(WARM_UP_ANSWERS);
    const { jobId } = await fleet.client.jobs.submit('changes', LONG_JOB);
    await until(async () => ((await jobOf(() => clients, jobId))?.evaluationsDone ?? 0) > 0, 'the job runs', JOB_WITHIN_MS);
    await load.answered(WARM_UP_ANSWERS / 2);
    const doneAtFault = (await jobOf(() => clients, jobId))!.evaluationsDone;
    const notes: string[] = [];
    load.fault();
    const start = performance.now();
    await change(fleet, (text) => notes.push(text));
    const recoveredMs = performance.now() - start;
    const job = await jobEndsAsUndisturbed(() => clients, jobId);
    await load.answered(WARM_UP_ANSWERS);
    const { troubleMs: _goesOn, ...figures } = await load.stop();
    assert.deepEqual(
      Object.keys(figures.errors).filter((code) => !allowed.includes(code)),
      [],
      'errors beside those that are allowed',
    );
    notes.push(jobNote(job, doneAtFault), ...(await scatterNotes(await fleet.metricsOfCoordinators())));
    return { ...figures, recoveredMs, recovery, notes };
  } finally {
    await fleet?.stop();
    await nats.dispose();
  }
}

function rollingRestart(): Promise<FaultFigures> {
  // A client of a coordinator that stops is told so, or finds nobody there, and goes to the next.
  return underLoad(
    4,
    'every worker and coordinator is another process',
    async (fleet, note) => {
      for (const id of [...fleet.workers.keys()]) {
        const start = performance.now();
        await fleet.removeWorkers([id]);
        await fleet.restartWorker(id);
        await whole(fleet, REPLICAS);
        note(`${id} restarted in ${Math.round(performance.now() - start)} ms`);
      }
      for (let i = 0; i < fleet.coordinators.length; i++) {
        assert.equal(await fleet.coordinators[i]!.stop(STOP_WITHIN_MS), true, 'it ends in order');
        await fleet.restartCoordinator(i);
        await whole(fleet, REPLICAS);
      }
    },
    ['DRAINING', 'WORKER_LOST'],
  );
}

function growAndShrink(): Promise<FaultFigures> {
  return underLoad(
    2,
    '2 to 8 to 3 workers, everything on those that are left',
    async (fleet, note) => {
      let start = performance.now();
      await fleet.addWorkers(6);
      await whole(fleet, REPLICAS);
      note(`2 to 8 in ${Math.round(performance.now() - start)} ms`);
      start = performance.now();
      await fleet.removeWorkers([...fleet.workers.keys()].slice(0, 5));
      await whole(fleet, REPLICAS);
      note(`8 to 3 in ${Math.round(performance.now() - start)} ms`);
    },
    [],
  );
}

export const CHANGE_FAULTS: readonly Fault[] = [
  {
    name: 'rolling restart of 4 workers and 2 coordinators',
    holds: 'no request fails for a worker; one that a stopping coordinator refuses is answered by the other; no job is lost',
    skip: natsMissing,
    run: rollingRestart,
  },
  { name: '2 to 8 to 3 workers', holds: 'no request fails; no job is lost', skip: natsMissing, run: growAndShrink },
];
