/**
 * One delivery of a job: goes on from the checkpoint where there is one, keeps a new one every few steps, and ends with the result. Noise, subsets and samplers are
 * functions of the request, x travels in full precision, so the bytes do not depend on how often and where a run was broken off.
 */

import type { SampleEvent } from '../../proto/generated/golddiff/v1/SampleEvent.js';
import type { JobLease } from '../../shared/control-plane/control-plane.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { asGolddiffError, GolddiffError } from '../../shared/errors.js';
import { JOB_AGAIN_MS, JOB_CHECKPOINT_MS, JOB_CHECKPOINT_STEPS, JOB_LEASE_MS, JOB_PROGRESS_MS, JOB_RESULT_KEPT_MS } from '../../shared/limits.js';
import type { Logger } from '../../shared/log.js';
import type { Span } from '../../shared/tracing.js';
import type { SamplePlan } from '../sample-request.js';
import { SampleRun, type RunState } from '../sampling-service.js';
import { rowValues } from '../step-plan.js';
import type { Steps } from '../step-scheduler.js';
import type { JobArtifacts } from './job-artifacts.js';
import { decodeProgress, encodeProgress, type JobProgress } from './job-progress.js';

export interface JobRunSettings {
  readonly plan: SamplePlan;
  readonly manifest: Manifest;
  readonly lease: JobLease;
  readonly artifacts: JobArtifacts;
  readonly scheduler: Steps;
  /** fires when this coordinator stops */
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** of this delivery, where it is traced */
  readonly span?: Span | undefined;
}

/** The lease is another's by now, or the job was cancelled. */
export class LeaseLost extends Error {}

export class JobRun {
  readonly #images: Float32Array;
  readonly #dim: number;
  readonly #total: number;
  readonly #stop = new AbortController();
  readonly #startedUnixMs: number;
  #done = 0;
  #progressMs = -Infinity;
  #checkpointMs = performance.now();
  #steps = 0;

  constructor(private readonly settings: JobRunSettings) {
    const { plan, lease } = settings;
    this.#dim = rowValues(plan.manifest);
    this.#total = plan.entry.evaluations(plan.steps) * plan.count;
    this.#images = new Float32Array(plan.count * this.#dim);
    this.#startedUnixMs = decodeProgress(lease.job.progress)?.startedUnixMs ?? Date.now();
  }

  /** @throws LeaseLost; the signal's reason; what a step throws that will not pass by itself */
  async run(): Promise<void> {
    const { lease, artifacts, manifest } = this.settings;
    if ((decodeProgress(lease.job.progress)?.expiresUnixMs ?? 0) > Date.now() && (await artifacts.result()) !== undefined) return lease.succeed();
    // A step may take longer than a lease.
    const renewal = setInterval(() => void this.#tell().catch((thrown: unknown) => this.#stop.abort(thrown)), JOB_LEASE_MS / 3);
    try {
      await this.#sampleAll();
      await artifacts.keepResult(this.#images, manifest.shape);
      await this.#tell(Date.now() + JOB_RESULT_KEPT_MS);
    } finally {
      clearInterval(renewal);
    }
    await lease.succeed();
    await artifacts.clear(this.#batchStarts());
  }

  /** Where partitions are missing or a queue is full, it tries again from the last checkpoint for as long as the lease is ours. */
  async #sampleAll(): Promise<void> {
    for (;;) {
      try {
        return await this.#sample(await this.#start());
      } catch (thrown) {
        this.#stop.signal.throwIfAborted();
        const error = thrown instanceof LeaseLost ? undefined : asGolddiffError(thrown);
        if (error === undefined || !error.retryable || this.settings.signal.aborted) throw thrown;
        this.settings.log.warn({ code: error.code }, `a job waits: ${error.message}`);
        await new Promise((resolve) => setTimeout(resolve, JOB_AGAIN_MS));
      }
    }
  }

  async #sample(start: RunState | undefined): Promise<void> {
    const { plan, lease, scheduler, log, signal, span } = this.settings;
    const call = {
      span,
      requestId: `job-${lease.job.jobId}`,
      signal: AbortSignal.any([signal, this.#stop.signal]),
      remainingMs: () => Infinity,
      log,
    };
    const keeping = {
      keep: (state: RunState) => this.#keep(state),
      done: (from: number, images: Float64Array) => this.#take(from, images),
      ...(start === undefined ? {} : { start }),
    };
    const write = async ({ progress }: SampleEvent): Promise<void> => {
      if (!progress) return;
      this.#done = Number(progress.evaluationsDone);
      if (performance.now() - this.#progressMs >= JOB_PROGRESS_MS) await this.#tell();
    };
    await new SampleRun(plan, scheduler, call, write, keeping).run();
  }

  /** The images of a batch are kept; the next step has a checkpoint made that counts on them. */
  async #take(from: number, values: Float64Array): Promise<void> {
    this.#images.set(values, from * this.#dim);
    await this.settings.artifacts.keepImages(from, this.#images.subarray(from * this.#dim, from * this.#dim + values.length));
    this.#checkpointMs = -Infinity;
  }

  async #keep(state: RunState): Promise<void> {
    this.#steps++;
    if (this.#steps < JOB_CHECKPOINT_STEPS && performance.now() - this.#checkpointMs < JOB_CHECKPOINT_MS) return;
    await this.settings.artifacts.keepState(state);
    this.#steps = 0;
    this.#checkpointMs = performance.now();
  }

  /** Where to go on, with the images that are done; undefined = from the beginning, also where some of them are gone. */
  async #start(): Promise<RunState | undefined> {
    const { plan, artifacts, log } = this.settings;
    const state = await artifacts.state();
    if (state === undefined || state.x.length !== Math.min(plan.batchRows, plan.count - state.from) * this.#dim) return undefined;
    for (const from of this.#batchStarts().filter((batch) => batch < state.from)) {
      const images = await artifacts.images(from);
      if (images === undefined) return undefined;
      this.#images.set(images, from * this.#dim);
    }
    log.info({ jobId: this.settings.lease.job.jobId, from: state.from, step: state.step }, 'a job goes on from its checkpoint');
    return state;
  }

  #batchStarts(): number[] {
    const { count, batchRows } = this.settings.plan;
    return Array.from({ length: Math.ceil(count / batchRows) }, (_, i) => i * batchRows);
  }

  /** Renews the lease. NATS may be away for a while: the bytes are the same whoever ends up writing them. */
  async #tell(expiresUnixMs = 0): Promise<void> {
    this.#progressMs = performance.now();
    const progress: JobProgress = {
      evaluationsDone: this.#done,
      evaluationsTotal: this.#total,
      startedUnixMs: this.#startedUnixMs,
      expiresUnixMs,
    };
    const held = await this.settings.lease.progress(encodeProgress(progress)).catch((thrown: unknown) => {
      if (thrown instanceof GolddiffError && thrown.code === 'CONTROL_PLANE_LOST' && expiresUnixMs === 0) return true;
      throw thrown;
    });
    if (!held) throw new LeaseLost('the lease of the job was lost, or the job cancelled');
  }
}
