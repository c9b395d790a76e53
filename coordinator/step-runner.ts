/**
 * Runs a step over whatever workers hold the data set now. When a worker is lost under it, or holds another placement by now, the step starts over on
 * the replicas that are left: a few times, within its deadline. A partition that nobody holds fails the step, or is left out where the caller allows.
 */

import { GolddiffError } from '../shared/errors.js';
import { PROBE_INTERVAL_MS, STEP_ATTEMPTS_MAX } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { encodeRanges } from '../shared/rpc/status.js';
import { answerGaussian, type GaussianSource } from './gaussian-step.js';
import type { StepAnswer } from './step-answer.js';
import { ELSEWHERE, findAssignments, type ClusterView } from './step-assignments.js';
import { attemptStep, WorkerFailure, type StepContext } from './step-attempt.js';
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
  readonly countBytes?: ByteCounter;
}

export class StepRunner {
  constructor(private readonly settings: StepRunnerSettings) {}

  /** @throws PARTITION_MISSING naming the partitions; CANCELLED; DEADLINE_EXCEEDED; ARGUMENT_INVALID for a query that has no answer */
  async run(plan: StepPlan, context: StepContext): Promise<StepAnswer> {
    const started = performance.now();
    const { statistics } = this.settings;
    if (plan.denoiser.route === 'gaussian') return answerGaussian(plan, plan.denoiser.ratio, statistics, context.signal);
    const precision = await makeReady(plan, statistics, context.signal);
    const waitUntil = performance.now() + this.settings.placementWaitMs;
    const excluded = new Set<string>();
    for (let attempt = 1; ; attempt++) {
      const { epoch, assignments, coverage } = await findAssignments(plan, this.settings, context, excluded, waitUntil);
      try {
        const answer = await attemptStep(plan, epoch, assignments, coverage, context, this.settings.countBytes ?? (() => {}), precision);
        answer.timings.totalMs = performance.now() - started;
        return answer;
      } catch (thrown) {
        if (!(thrown instanceof WorkerFailure)) throw thrown;
        const { workerId, error } = thrown;
        const partitions = assignments.find((a) => a.link.workerId === workerId)?.partitions ?? [];
        if (error.code === 'SUPPORTS_MISSING' && attempt < STEP_ATTEMPTS_MAX) {
          // Sent before, and dropped since: sent again, the step goes on as it was.
          assignments.find((a) => a.link.workerId === workerId)?.link.forgetSupports();
          continue;
        }
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
}

function named(error: GolddiffError, workerId: string, partitions: readonly number[]): GolddiffError {
  const message = `Worker ${workerId} failed with partitions ${encodeRanges(partitions)}, and so did the attempts before: ${error.message}`;
  return new GolddiffError(error.code, message, { partitions, retryAfterMs: PROBE_INTERVAL_MS }, { cause: error });
}
