/**
 * Runs a step over whatever workers hold the data set now. Most of what goes wrong with a worker is mended within the attempt (scatter.ts). What is not starts over:
 * with the newer placement where there is one, without the worker that failed where there is none; a few times, within the deadline. A partition that nobody holds
 * fails the step, or is left out where the caller allows.
 */

import { GolddiffError, type ErrorCode } from '../shared/errors.js';
import { PROBE_INTERVAL_MS, STEP_ATTEMPTS_MAX } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import { encodeRanges } from '../shared/rpc/status.js';
import { answerGaussian, type GaussianSource } from './gaussian-step.js';
import type { Hedging } from './hedging.js';
import { WorkerFailure } from './share-race.js';
import type { StepAnswer } from './step-answer.js';
import { ELSEWHERE, findAssignments, type ClusterView } from './step-assignments.js';
import { attemptStep, type StepContext } from './step-attempt.js';
import type { StepPlan } from './step-plan.js';
import { makeReady, type PrecisionSource } from './step-precision.js';
import type { WorkerLinks } from './worker-links.js';
import type { ByteCounter } from './worker-step.js';

export interface StepRunnerSettings {
  readonly cluster: ClusterView;
  readonly links: WorkerLinks;
  /** for denoisers that are made of the covariance */
  readonly statistics: GaussianSource & PrecisionSource;
  readonly log: Logger;
  /** time that a step waits for partitions that nobody holds */
  readonly placementWaitMs: number;
  /** absent = no worker is preferred, and none asked twice */
  readonly hedging?: Hedging;
  readonly countBytes?: ByteCounter;
  readonly metrics?: Pick<CoordinatorMetrics, 'retries' | 'epochRefreshes'>;
}

export class StepRunner {
  constructor(private readonly settings: StepRunnerSettings) {}

  /** @throws PARTITION_MISSING naming the partitions; CANCELLED; DEADLINE_EXCEEDED; ARGUMENT_INVALID for a query that has no answer */
  async run(plan: StepPlan, context: StepContext): Promise<StepAnswer> {
    const started = performance.now();
    const { statistics, cluster, hedging, countBytes } = this.settings;
    if (plan.denoiser.route === 'gaussian') return answerGaussian(plan, plan.denoiser.ratio, statistics, context.signal);
    const precision = await makeReady(plan, statistics, context.signal);
    const waitUntil = performance.now() + this.settings.placementWaitMs;
    const excluded = new Set<string>();
    const cost = hedging && ((id: string): number => hedging.latency.cost(id, performance.now()));
    const onTakenOver = (failure: WorkerFailure): void => this.#noteFailure(failure, 'share', context);
    const onGivenUp = (workerId: string): void => cluster.suspect(workerId);
    for (let failures = 0; ;) {
      const { epoch, ...found } = await findAssignments(plan, this.settings, context, excluded, waitUntil, cost);
      try {
        const answer = await attemptStep(plan, epoch, { ...found, precision, hedging, countBytes, onTakenOver, onGivenUp }, context);
        answer.timings.totalMs = performance.now() - started;
        return answer;
      } catch (thrown) {
        if (!(thrown instanceof WorkerFailure)) throw thrown;
        const { workerId, error } = thrown;
        const again = ELSEWHERE.has(error.code) || error.code === 'SUPPORTS_MISSING';
        if (!again) throw error;
        if (error.code === 'EPOCH_STALE') {
          // Each time the epoch is a larger one: this ends when placements stop to be made.
          await cluster.refresh();
          if ((cluster.placement()?.epoch ?? 0) > epoch) {
            this.settings.metrics?.epochRefreshes.inc();
            continue;
          }
        }
        if (++failures === STEP_ATTEMPTS_MAX) throw named(thrown);
        this.#noteFailure(thrown, 'step', context);
        // Sent before, and dropped since: sent again, the step goes on as it was.
        if (error.code === 'SUPPORTS_MISSING') thrown.link.forgetSupports();
        else excluded.add(workerId);
      }
    }
  }

  #noteFailure({ workerId, error: { code }, partitions }: WorkerFailure, scope: 'share' | 'step', { requestId }: StepContext): void {
    const { log, metrics, cluster } = this.settings;
    metrics?.retries.inc({ reason: REASONS[code] ?? 'other', scope });
    log.warn({ requestId, workerId, code, partitions }, scope === 'share' ? 'others go on with the partitions of a worker' : 'step starts over');
    if (code !== 'SUPPORTS_MISSING') cluster.suspect(workerId);
  }
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  WORKER_LOST: 'lost',
  TLS_FAILED: 'tls',
  DRAINING: 'draining',
  EPOCH_STALE: 'stale',
  PARTITION_MISSING: 'missing',
  SUPPORTS_MISSING: 'supports',
};

function named({ error, workerId, partitions }: WorkerFailure): GolddiffError {
  const message = `Worker ${workerId} failed with partitions ${encodeRanges(partitions)}, and so did the attempts before: ${error.message}`;
  return new GolddiffError(error.code, message, { partitions, retryAfterMs: PROBE_INTERVAL_MS }, { cause: error });
}
