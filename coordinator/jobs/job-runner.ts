/** Takes jobs from the queue, one after the other, for as long as this coordinator serves. A job under way when it stops is given back, and goes on elsewhere. */

import type { ControlPlane, JobLease } from '../../shared/control-plane/control-plane.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { asGolddiffError, GolddiffError } from '../../shared/errors.js';
import { JOB_AGAIN_MS, JOB_DELIVERIES_MAX, JOB_LEASE_MS, JOB_RUNS_MAX, QUEUE_RETRY_AFTER_MS } from '../../shared/limits.js';
import type { Logger } from '../../shared/log.js';
import type { CoordinatorMetrics } from '../../shared/metrics.js';
import { within, type Tracing } from '../../shared/tracing.js';
import type { Steps } from '../step-scheduler.js';
import { JobArtifacts } from './job-artifacts.js';
import { decodeJob, planJob } from './job-request.js';
import { JobRun, LeaseLost } from './job-run.js';

export interface JobRunnerSettings {
  readonly controlPlane: Pick<ControlPlane, 'jobs' | 'artifacts'>;
  readonly manifest: Manifest;
  readonly scheduler: Steps;
  readonly log: Logger;
  /** each delivery is a trace of its own; absent = nothing is traced */
  readonly tracing?: Tracing | undefined;
  readonly metrics?: Pick<CoordinatorMetrics, 'jobDeliveries' | 'jobRuns'>;
}

type Outcome = 'succeeded' | 'failed' | 'given_back' | 'lost';

export class JobRunner {
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(private readonly settings: JobRunnerSettings) {}

  start(): void {
    this.#running = Promise.all(Array.from({ length: JOB_RUNS_MAX }, () => this.#work()));
  }

  /** Resolves when the job under way was given back. */
  async stop(): Promise<void> {
    this.#stop.abort(new GolddiffError('DRAINING', 'The coordinator stops'));
    await this.#running;
  }

  async #work(): Promise<void> {
    const { controlPlane, log } = this.settings;
    while (!this.#stop.signal.aborted) {
      const lease = await controlPlane.jobs.take(JOB_LEASE_MS, JOB_DELIVERIES_MAX).catch((thrown: unknown) => {
        log.debug({ code: asGolddiffError(thrown).code }, 'no job could be taken');
        return undefined;
      });
      if (lease === undefined) await this.#pause(QUEUE_RETRY_AFTER_MS);
      else if (this.#stop.signal.aborted) await lease.release().catch(asGolddiffError);
      else {
        this.settings.metrics?.jobDeliveries.inc({ kind: lease.job.deliveries > 1 ? 'again' : 'first' });
        const outcome = await this.#run(lease).catch((thrown: unknown): Outcome => {
          log.error({ err: thrown, jobId: lease.job.jobId }, 'a job was left to the end of its lease');
          return 'lost';
        });
        this.settings.metrics?.jobRuns.inc({ outcome });
      }
    }
  }

  async #run(lease: JobLease): Promise<Outcome> {
    const { controlPlane, manifest, scheduler } = this.settings;
    const { jobId, deliveries } = lease.job;
    const log = this.settings.log.child({ jobId });
    try {
      log.info({ deliveries }, 'job taken');
      const plan = planJob(decodeJob(lease.job.payload).request, manifest);
      const artifacts = new JobArtifacts(controlPlane.artifacts, jobId);
      const span = this.settings.tracing?.start('job', 'internal', undefined, { jobId, deliveries });
      await within(span, () => new JobRun({ plan, manifest, lease, artifacts, scheduler, signal: this.#stop.signal, log, span }).run());
      log.info('job done');
      return 'succeeded';
    } catch (thrown) {
      if (thrown instanceof LeaseLost) {
        log.info(thrown.message);
        return 'lost';
      }
      const error = asGolddiffError(thrown);
      if (this.#stop.signal.aborted || error.retryable) {
        log.info({ code: error.code }, 'the job is given back');
        await this.#pause(JOB_AGAIN_MS);
        await lease.release();
        return 'given_back';
      }
      if (error.code === 'INTERNAL') {
        // A fault of ours may be of this process alone; a job that meets it everywhere is given up after its last delivery.
        log.error({ err: thrown }, 'a job met a fault of ours and is given back');
        await this.#pause(JOB_AGAIN_MS);
        await lease.release();
        return 'given_back';
      }
      log.warn({ code: error.code }, `job failed: ${error.message}`);
      await lease.fail(error.message);
      return 'failed';
    }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, signal.aborted ? 0 : ms);
      signal.addEventListener('abort', done);
    });
  }
}
