/** Runs planned steps for the public services: a place in the queue, the deadline, the metrics. */

import { GolddiffError, asGolddiffError } from '../shared/errors.js';
import { DEADLINE_MARGIN_MS } from '../shared/limits.js';
import type { Phase } from '../shared/metric-tables.js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import type { CallContext } from '../shared/rpc/handlers.js';
import { observeTraced } from '../shared/metrics-text.js';
import { within, type Span } from '../shared/tracing.js';
import type { AdmissionQueue } from './admission-queue.js';
import { abortReason } from './admission-queue.js';
import { answerWithinBudget, type BudgetOutcome } from './error-budget.js';
import { noiseBand } from './noise-band.js';
import type { StepAnswer } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import type { StepRunner } from './step-runner.js';

/** Whoever runs steps, and may want to know of the work around them. */
export type Steps = Pick<StepScheduler, 'run'> & Partial<Pick<StepScheduler, 'observe'>>;

export type StepCall = Pick<CallContext, 'requestId' | 'signal' | 'remainingMs' | 'log' | 'span'>;

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
    const place = await within(call.span?.child('queue'), () => this.queue.acquire(call.signal, continuing));
    try {
      const { answer, outcomes } = await answerWithinBudget(plan, (round) => {
        const span = call.span?.child('step', { batch: round.batch, golden: round.golden !== undefined });
        return within(span, () => this.runner.run(round, { ...call, span }));
      });
      for (const outcome of outcomes) this.metrics?.budgetQueries.inc({ outcome });
      answer.timings.queueMs = place.queueMs;
      answer.timings.totalMs += place.queueMs;
      this.#observe(plan, answer, outcomes, call.span);
      return answer;
    } catch (thrown) {
      // The signal knows better than the stream that it broke why the step ended.
      if (call.signal.aborted && asGolddiffError(thrown).code === 'CANCELLED') throw abortReason(call.signal);
      throw thrown;
    } finally {
      place.release();
    }
  }

  /** A phase of the work that is done around steps. */
  observe(phase: Phase, seconds: number, span?: Span): void {
    if (this.metrics) observeTraced(this.metrics.phaseSeconds, { phase }, seconds, span);
  }

  #observe(plan: StepPlan, answer: StepAnswer, outcomes: readonly BudgetOutcome[], span: Span | undefined): void {
    const metrics = this.metrics;
    if (metrics === undefined) return;
    const { timings } = answer;
    this.observe('queue', timings.queueMs / 1000, span);
    this.observe('scatter', timings.scatterMs / 1000, span);
    this.observe('screen', timings.screenMs / 1000, span);
    this.observe('aggregate', timings.aggregateMs / 1000, span);
    this.observe('merge', timings.mergeMs / 1000, span);
    answer.goldenRows.forEach((rows, b) => {
      const t = noiseBand(plan.alpha[b]!, plan.sigma[b]!);
      metrics.rowsScored.inc(rows);
      metrics.goldenRows.observe({ t }, rows);
      metrics.effectiveSupport.observe({ t }, answer.effectiveSupport[b]!);
      metrics.tailMassBound.observe({ kind: answer.tailMassKinds[b]!, t }, answer.tailMassBound[b]!);
      if (outcomes[b] === 'exact') metrics.exactFallbacks.inc({ reason: 'budget' });
      else if (plan.golden !== undefined && plan.golden.subset[b]! >= plan.eligible[b]!) metrics.exactFallbacks.inc({ reason: 'size' });
    });
  }
}
