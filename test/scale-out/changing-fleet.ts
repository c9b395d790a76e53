/** Workers come and go while jobs run: the figures of the way, by /metrics, and every result against a run that nothing disturbed. */

import { collectSamples } from '../../client/collect-samples.js';
import type { GolddiffClient, JobInfo, SampleInput } from '../../client/golddiff-client.js';
import { Fleet } from '../support/fleet.js';
import { until } from '../support/until.js';
import { sum } from './measure-batch.js';

export interface ChangeSettings {
  readonly dataDir: string;
  /** absent = a static list of workers, jobs in the memory of the one coordinator */
  readonly nats?: readonly string[];
  readonly coordinators?: number;
  readonly replicas: number;
  /** workers: at the start, and after each change */
  readonly sizes: readonly [number, number, ...number[]];
  /** what a job asks for; jobs take one after the other, again and again, until the last change is done */
  readonly requests: readonly SampleInput[];
  /** time that each size is left alone; at least so long, and until something was evaluated */
  readonly restMs: number;
  readonly onProgress?: (sentence: string) => void;
}

export interface Moment {
  /** since the first job was submitted */
  readonly atMs: number;
  readonly workersLive: number;
  /** that steps ask for partitions */
  readonly workersHolding: number;
  readonly epoch: number;
  /** score evaluations answered so far, over all coordinators */
  readonly evaluations: number;
  readonly coverage: number;
}

export interface Change {
  readonly from: number;
  readonly to: number;
  readonly startMs: number;
  /** when the partitions lay on the workers that stay, and those that were to go were gone */
  readonly endMs: number;
  readonly epochs: number;
  readonly evaluations: number;
  /** jobs that ran at some moment of it */
  readonly jobs: number;
}

export interface RunJob {
  readonly request: number;
  readonly state: JobInfo['state'];
  readonly deliveries: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly equal: boolean;
}

export interface ChangeReport {
  readonly controlPlane: string;
  /** what the workers compute with */
  readonly backend: string;
  readonly coordinators: number;
  readonly replicas: number;
  readonly rows: number;
  readonly images: number;
  readonly moments: readonly Moment[];
  readonly changes: readonly Change[];
  readonly jobs: readonly RunJob[];
  /** at the end, summed over the coordinators where nothing else is said */
  readonly end: {
    readonly leaders: number;
    readonly callsFailed: number;
    readonly deliveriesAgain: number;
    /** of the whole cluster, as each coordinator tells it */
    readonly jobsSucceeded: readonly number[];
    readonly deadLetters: readonly number[];
    readonly epochs: readonly number[];
    readonly epochSkews: readonly number[];
  };
}

const LOOK_MS = 200;
const SETTLE_MS = 30_000;
const EVALUATIONS = 'golddiff_coordinator_golden_rows_count';

interface Submitted {
  readonly request: number;
  readonly job: JobInfo;
  readonly images: Float32Array | undefined;
}

export async function changeUnderJobs(settings: ChangeSettings): Promise<ChangeReport> {
  const { sizes, requests, onProgress } = settings;
  const start = { dataDir: settings.dataDir, replicas: settings.replicas, ...(settings.nats && { nats: settings.nats }) };
  const fleet = await Fleet.start({ ...start, workers: sizes[0], workersMax: Math.max(...sizes), coordinators: settings.coordinators ?? 1 });
  try {
    const startUnixMs = Date.now();
    const recorder = new Recorder(fleet, startUnixMs);
    const stream = new JobStream(fleet.clients, requests);
    const changes: Omit<Change, 'jobs'>[] = [];
    for (const to of sizes.slice(1)) {
      await rest(recorder, settings.restMs);
      changes.push(await change(fleet, recorder, to));
      const { from, startMs, endMs } = changes.at(-1)!;
      onProgress?.(`${from} to ${to} workers in ${Math.round(endMs - startMs)} ms`);
    }
    await rest(recorder, settings.restMs);
    const done = await stream.finish();
    const end = await figuresAtEnd(fleet);
    const moments = await recorder.stop();
    const { controlPlane, workers } = await fleet.client.cluster.status();
    const { rows } = await fleet.client.datasets.get();
    await fleet.stop();
    const undisturbed = await undisturbedImages(settings);
    const jobs = done.map(({ request, job, images }) => ({
      request,
      state: job.state,
      deliveries: job.deliveries,
      startMs: job.startedUnixMs - startUnixMs,
      endMs: job.endedUnixMs - startUnixMs,
      equal: images !== undefined && Buffer.compare(bytesOf(images), bytesOf(undisturbed[request]!)) === 0,
    }));
    return {
      controlPlane,
      backend: [...new Set(workers.map(({ backend }) => backend))].join(),
      coordinators: fleet.coordinators.length,
      replicas: settings.replicas,
      rows,
      images: requests[0]!.count!,
      moments,
      changes: changes.map((c) => ({ ...c, jobs: jobs.filter((job) => job.startMs < c.endMs && job.endMs > c.startMs).length })),
      jobs,
      end,
    };
  } finally {
    await fleet.stop();
  }
}

/** As many jobs are under way or wait as there are coordinators, and one more. */
class JobStream {
  readonly #done: Submitted[] = [];
  readonly #lanes: Promise<void[]>;
  #ending = false;
  #submitted = 0;

  constructor(clients: readonly GolddiffClient[], requests: readonly SampleInput[]) {
    const lane = async (client: GolddiffClient): Promise<void> => {
      while (!this.#ending) {
        const number = this.#submitted++;
        const request = number % requests.length;
        let job = await client.jobs.submit(`job ${number}`, requests[request]!);
        for await (const now of client.jobs.watch(job.jobId)) job = now;
        this.#done.push({ request, job, images: job.state === 'succeeded' ? (await client.jobs.result(job.jobId)).images : undefined });
      }
    };
    this.#lanes = Promise.all([...clients, clients[0]!].map(lane));
    // Awaited in finish(); until then a failure is nobody's.
    this.#lanes.catch(() => {});
  }

  /** No new ones; resolves when all have ended. */
  async finish(): Promise<readonly Submitted[]> {
    this.#ending = true;
    await this.#lanes;
    return this.#done;
  }
}

/** Looks at status and metrics of the coordinators again and again. */
class Recorder {
  readonly moments: Moment[] = [];
  readonly #looking: Promise<void>;
  #stopped = false;

  constructor(
    private readonly fleet: Fleet,
    private readonly startUnixMs: number,
  ) {
    this.#looking = this.#run();
    this.#looking.catch(() => {});
  }

  async look(): Promise<Moment> {
    const [status, metrics] = await Promise.all([this.fleet.client.cluster.status(), this.fleet.metricsOfCoordinators()]);
    const moment = {
      atMs: Date.now() - this.startUnixMs,
      workersLive: status.workers.length,
      workersHolding: new Set(status.partitions.flatMap(({ replicas }) => replicas)).size,
      epoch: status.placementEpoch,
      evaluations: sum(metrics.map((m) => m.sum(EVALUATIONS))),
      coverage: Math.min(...metrics.map((m) => m.sum('golddiff_coordinator_coverage_ratio'))),
    };
    this.moments.push(moment);
    return moment;
  }

  async stop(): Promise<readonly Moment[]> {
    this.#stopped = true;
    await this.#looking;
    return this.moments.sort((a, b) => a.atMs - b.atMs);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

async function rest(recorder: Recorder, restMs: number): Promise<void> {
  const { evaluations, atMs } = await recorder.look();
  await until(
    async () => {
      const now = await recorder.look();
      return now.evaluations > evaluations && now.atMs - atMs >= restMs;
    },
    'jobs get on',
    restMs + SETTLE_MS,
  );
}

async function change(fleet: Fleet, recorder: Recorder, to: number): Promise<Omit<Change, 'jobs'>> {
  const from = fleet.workers.size;
  const before = await recorder.look();
  if (to > from) await fleet.addWorkers(to - from);
  // The oldest go: what they hold moves to younger ones.
  else await fleet.removeWorkers([...fleet.workers.keys()].slice(0, from - to));
  await fleet.placed();
  const after = await recorder.look();
  return {
    from,
    to,
    startMs: before.atMs,
    endMs: after.atMs,
    epochs: after.epoch - before.epoch,
    evaluations: after.evaluations - before.evaluations,
  };
}

async function figuresAtEnd(fleet: Fleet): Promise<ChangeReport['end']> {
  let all = await fleet.metricsOfCoordinators();
  await until(
    async () => {
      all = await fleet.metricsOfCoordinators();
      return all.every((m) => m.sum('golddiff_coordinator_epoch_skew') === 0 && m.sum('golddiff_coordinator_jobs', { state: 'running' }) === 0);
    },
    'workers are at the placement in effect, and no job runs',
    SETTLE_MS,
  );
  const requests = 'golddiff_coordinator_requests_total';
  return {
    leaders: sum(all.map((m) => m.sum('golddiff_coordinator_leader'))),
    callsFailed: sum(all.map((m) => m.sum(requests) - m.sum(requests, { code: 'OK' }))),
    deliveriesAgain: sum(all.map((m) => m.sum('golddiff_coordinator_job_deliveries_total', { kind: 'again' }))),
    jobsSucceeded: all.map((m) => m.sum('golddiff_coordinator_jobs', { state: 'succeeded' })),
    deadLetters: all.map((m) => m.sum('golddiff_coordinator_job_dead_letters')),
    epochs: all.map((m) => m.sum('golddiff_coordinator_placement_epoch')),
    epochSkews: all.map((m) => m.sum('golddiff_coordinator_epoch_skew')),
  };
}

/** By a sampling call and no job, on one worker that stays. */
async function undisturbedImages({ dataDir, requests }: ChangeSettings): Promise<Float32Array[]> {
  const alone = await Fleet.start({ dataDir, workers: 1, computeThreads: 2 });
  try {
    const images: Float32Array[] = [];
    for (const request of requests) images.push((await collectSamples(alone.client.sample(request))).images);
    return images;
  } finally {
    await alone.stop();
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
