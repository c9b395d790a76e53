/** Runs planned steps for the public services: a place in the queue, the deadline, the metrics. */

import { GolddiffError, asGolddiffError } from '../shared/errors.js';
import { DEADLINE_MARGIN_MS } from '../shared/limits.js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import type { CallContext } from '../shared/rpc/handlers.js';
import type { AdmissionQueue } from './admission-queue.js';
import { abortReason } from './admission-queue.js';
import { answerWithinBudget } from './error-budget.js';
import type { StepAnswer } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import type { StepRunner } from './step-runner.js';

export type StepCall = Pick<CallContext, 'requestId' | 'signal' | 'remainingMs' | 'log'>;

export class StepScheduler {
  constructor(
    private readonly runner: Pick<StepRunner, 'run'>,
    readonly queue: AdmissionQueue,
    private readonly metrics?: CoordinatorMetrics,
  ) {}

  /**
   * A step with an error budget keeps its place through all its rounds, and its deadline counts for them together.
   * @param continuing part of a run that was let in before: it waits its turn but is not turned away
   * @throws QUEUE_FULL with the time to come back; what StepRunner.run throws
   */
  async run(plan: StepPlan, call: StepCall, continuing = false): Promise<StepAnswer> {
    if (call.remainingMs() <= DEADLINE_MARGIN_MS) {
      throw new GolddiffError('DEADLINE_EXCEEDED', `The deadline leaves no time for a step: it takes more than ${DEADLINE_MARGIN_MS} ms`);
    }
    const place = await this.queue.acquire(call.signal, continuing);
    try {
      const { answer, outcomes } = await answerWithinBudget(plan, (round) => this.runner.run(round, call));
      for (const outcome of outcomes) this.metrics?.budgetQueries.inc({ outcome });
      answer.timings.queueMs = place.queueMs;
      answer.timings.totalMs += place.queueMs;
      this.#observe(answer);
      return answer;
    } catch (thrown) {
      // The signal knows better than the stream that it broke why the step ended.
      if (call.signal.aborted && asGolddiffError(thrown).code === 'CANCELLED') throw abortReason(call.signal);
      throw thrown;
    } finally {
      place.release();
    }
  }

  #observe(answer: StepAnswer): void {
    const metrics = this.metrics;
    if (metrics === undefined) return;
    const { timings } = answer;
    metrics.phaseSeconds.observe({ phase: 'queue' }, timings.queueMs / 1000);
    metrics.phaseSeconds.observe({ phase: 'scatter' }, timings.scatterMs / 1000);
    metrics.phaseSeconds.observe({ phase: 'screen' }, timings.screenMs / 1000);
    metrics.phaseSeconds.observe({ phase: 'aggregate' }, timings.aggregateMs / 1000);
    metrics.phaseSeconds.observe({ phase: 'merge' }, timings.mergeMs / 1000);
    answer.goldenRows.forEach((rows, b) => {
      metrics.rowsScored.inc(rows);
      metrics.goldenRows.observe(rows);
      metrics.effectiveSupport.observe(answer.effectiveSupport[b]!);
      metrics.tailMassBound.observe({ kind: answer.tailMassKinds[b]! }, answer.tailMassBound[b]!);
    });
  }
}
