/**
 * Runs a step over whatever workers hold the data set now. When a worker is lost under it, or holds another placement by now, the step starts over on
 * the replicas that are left: a few times, within its deadline. A partition that nobody holds fails the step, or is left out where the caller allows.
 */

import type { PlacementDocument } from '../shared/control-plane/control-plane.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { GolddiffError, type ErrorCode } from '../shared/errors.js';
import { PROBE_INTERVAL_MS, STEP_ATTEMPTS_MAX } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { encodeRanges } from '../shared/rpc/status.js';
import { abortReason } from './admission-queue.js';
import { chooseReplicas } from './replica-choice.js';
import type { StepAnswer, StepCoverage } from './step-answer.js';
import { attemptStep, WorkerFailure, type StepContext } from './step-attempt.js';
import type { StepPlan } from './step-plan.js';
import type { WorkerLinks } from './worker-links.js';
import type { ByteCounter } from './worker-step.js';

/** The placement in effect and the workers that live. */
export interface ClusterView {
  placement(): PlacementDocument | undefined;
  /** host:port of a live worker; undefined = not live */
  addressOf(workerId: string): string | undefined;
  /** Resolves at the next change of either, or after the time. */
  changed(withinMs: number, signal: AbortSignal): Promise<void>;
  /** A step has lost this worker: look after it at once rather than at the next probe. */
  suspect(workerId: string): void;
}

export interface StepRunnerSettings {
  readonly cluster: ClusterView;
  readonly links: WorkerLinks;
  readonly log: Logger;
  /** time that a step waits for partitions that nobody holds */
  readonly placementWaitMs: number;
  readonly countBytes?: ByteCounter;
}

/** What another worker might do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['WORKER_LOST', 'EPOCH_STALE', 'PARTITION_MISSING', 'DRAINING']);

export class StepRunner {
  constructor(private readonly settings: StepRunnerSettings) {}

  /** @throws PARTITION_MISSING naming the partitions; CANCELLED; DEADLINE_EXCEEDED; ARGUMENT_INVALID for a query that has no answer */
  async run(plan: StepPlan, context: StepContext): Promise<StepAnswer> {
    const started = performance.now();
    const waitUntil = started + this.settings.placementWaitMs;
    const excluded = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      const { epoch, assignments, coverage } = await this.#plan(plan, context, excluded, waitUntil);
      try {
        const answer = await attemptStep(plan, epoch, assignments, coverage, context, this.settings.countBytes ?? (() => {}));
        answer.timings.totalMs = performance.now() - started;
        return answer;
      } catch (thrown) {
        if (!(thrown instanceof WorkerFailure)) throw thrown;
        const { workerId, error } = thrown;
        const partitions = assignments.find((a) => a.link.workerId === workerId)?.partitions ?? [];
        if (!ELSEWHERE.has(error.code)) throw error;
        if (attempt === STEP_ATTEMPTS_MAX) throw named(error, workerId, partitions);
        this.settings.log.warn(
          { requestId: context.requestId, workerId, code: error.code, partitions, attempt },
          'step starts over without a worker',
        );
        this.settings.cluster.suspect(workerId);
        // A stale epoch is mended by the newer placement where there is one already.
        const moved = this.settings.cluster.placement()?.epoch !== epoch;
        if (error.code !== 'EPOCH_STALE' || !moved) excluded.add(workerId);
      }
    }
  }

  async #plan(plan: StepPlan, context: StepContext, excluded: Set<string>, waitUntil: number) {
    const { cluster, links } = this.settings;
    const manifest = plan.manifest;
    const rows = new Map(manifest.partitions.map((p) => [p.id, p.rows]));
    let epoch = cluster.placement()?.epoch;
    for (;;) {
      const document = cluster.placement();
      // A worker that failed at an older placement may hold its partitions at the new one.
      if (document?.epoch !== epoch) excluded.clear();
      epoch = document?.epoch;
      const { work, missing } = chooseReplicas(document, rows, (id) => !excluded.has(id) && cluster.addressOf(id) !== undefined);
      if (work.size > 0 && (missing.length === 0 || plan.allowPartial)) {
        const assignments = [...work].map(([id, partitions]) => ({ link: links.get(id, cluster.addressOf(id)!), partitions }));
        return { epoch: document!.epoch, assignments, coverage: coverageOf(manifest, missing) };
      }
      const leftMs = Math.min(waitUntil - performance.now(), context.remainingMs());
      if (leftMs <= 0) throw missingError(manifest, missing);
      await cluster.changed(leftMs, context.signal);
      if (context.signal.aborted) throw abortReason(context.signal);
    }
  }
}

export function coverageOf(manifest: Manifest, missing: readonly number[]): StepCoverage {
  const lost = new Set(missing);
  const rowsReached = manifest.partitions.reduce((sum, p) => sum + (lost.has(p.id) ? 0 : p.rows), 0);
  return { rowsReached, rowsTotal: manifest.rows, fraction: rowsReached / manifest.rows, missingPartitions: [...missing] };
}

function missingError(manifest: Manifest, partitions: readonly number[]): GolddiffError {
  const which = partitions.length === 1 ? `partition ${partitions[0]}` : `partitions ${encodeRanges(partitions)}`;
  const message = `No live worker holds ${which} of data set ${manifest.name}; try again later, or allow a partial answer`;
  return new GolddiffError('PARTITION_MISSING', message, { partitions, retryAfterMs: PROBE_INTERVAL_MS });
}

function named(error: GolddiffError, workerId: string, partitions: readonly number[]): GolddiffError {
  const message = `Worker ${workerId} failed with partitions ${encodeRanges(partitions)}, and so did the attempts before: ${error.message}`;
  return new GolddiffError(error.code, message, { partitions, retryAfterMs: PROBE_INTERVAL_MS }, { cause: error });
}
