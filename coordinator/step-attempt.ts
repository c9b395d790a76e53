/**
 * One attempt at a step: scatter to the workers chosen, search the golden cuts, gather scalars, then the weighted sums where they matter, and merge.
 *
 * Partials are kept by their node of the merge tree, whatever order they come in, and merged once all are there: the answer is bit-identical for any
 * number of workers and any order of arrival. A worker that is late or fails may be replaced between any two rounds (scatter.ts); where that cannot be,
 * the attempt ends on all of them.
 */

import { GolddiffError, invariant } from '../shared/errors.js';
import { DATA_PLANE_CHUNK_BYTES, DEADLINE_MARGIN_MS, STEP_TIMEOUT_MS, SUPPORTS_TIMEOUT_MS } from '../shared/limits.js';
import { mergeBlocked } from '../shared/math/blocked-partial.js';
import { mergeGrouped } from '../shared/math/grouped-partial.js';
import { mergeUp, rootLevel, type TreeNode } from '../shared/math/merge-tree.js';
import { EMPTY_SUMS, mergeScalars, mergeSums, type PosteriorScalars, type PosteriorSums } from '../shared/math/partial-posterior.js';
import type { Span } from '../shared/tracing.js';
import { abortReason } from './admission-queue.js';
import { formBlockedAnswer } from './blocked-answer.js';
import { findGoldenSubset, type ForEachWorker, type GoldenSubset } from './golden-search.js';
import type { Hedging } from './hedging.js';
import { mergeHistograms, type MergedHistogram } from './mass-rows.js';
import { proveQueries, withProven } from './pool-proofs.js';
import { formGroupedAnswer } from './grouped-answer.js';
import { roundKind } from './round-times.js';
import { Scatter, type Assignment, type Elsewhere } from './scatter.js';
import type { WorkerFailure } from './share-race.js';
import { formAnswer, type StepAnswer, type StepCoverage, type StepTimings } from './step-answer.js';
import type { StepPlan } from './step-plan.js';
import type { ReadyPrecision } from './step-precision.js';
import { WorkerStep, type ByteCounter, type SumsReply } from './worker-step.js';

export interface StepContext {
  readonly requestId: string;
  /** fires with a GolddiffError or a TimeoutError when nobody waits for the answer any more */
  readonly signal: AbortSignal;
  /** Infinity without a deadline */
  remainingMs(): number;
  /** of the step, where it is traced */
  readonly span?: Span | undefined;
}

/** What an attempt is made with; all but the assignments may be left out, and then is not done. */
export interface AttemptMeans {
  readonly assignments: readonly Assignment[];
  readonly coverage: StepCoverage;
  /** finds other replicas for workers that are late or fail */
  readonly elsewhere?: Elsewhere;
  readonly hedging?: Hedging | undefined;
  /** told of a worker that was slower than its hedge */
  readonly onGivenUp?: (workerId: string) => void;
  readonly onTakenOver?: (failure: WorkerFailure) => void;
  readonly countBytes?: ByteCounter | undefined;
  /** of a plan whose weights belong to groups */
  readonly precision?: ReadyPrecision | undefined;
}

/** @throws WorkerFailure; GolddiffError for the caller's cancellation or deadline, or a query that has no answer */
export async function attemptStep(plan: StepPlan, epoch: number, means: AttemptMeans, context: StepContext): Promise<StepAnswer> {
  const { assignments, coverage, precision } = means;
  invariant(assignments.length > 0, 'a step has a worker');
  if (context.signal.aborted) throw abortReason(context.signal);
  const present = plan.manifest.partitions.map((p) => p.id);
  const settings = { batch: plan.batch, dim: plan.dim, present, countBytes: means.countBytes ?? ((): void => {}) };
  const open = openRequest(plan, epoch, context, precision);
  const clock = new PhaseClock(context.span);
  const x = bytesOfQueries(plan);
  const sets = precision?.kinds.flatMap(({ supports }) => supports ?? []) ?? [];
  const scatter = new Scatter({
    ...means,
    kind: roundKind(plan),
    newStep: ({ link, partitions }) => new WorkerStep(link.workerId, partitions, link.openStep(), settings),
    open: async (step, link) => {
      // A worker has what the open will name.
      for (const set of sets) await link.holdSupports(set, SUPPORTS_TIMEOUT_MS);
      await step.open(open, x);
    },
    signal: context.signal,
    span: () => clock.span,
  });
  const forEach: ForEachWorker = (stage, ask) => scatter.round(stage, ask);
  const onAbort = (): void => scatter.close(abortReason(context.signal));
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    // A small x travels with the first question: there is nothing to wait for.
    if (sets.length > 0 || x.length > DATA_PLANE_CHUNK_BYTES) await forEach('OPEN', () => Promise.resolve());
    clock.begin('screenMs');
    const provable = precision === undefined && plan.blockRows === undefined;
    const proven = provable ? await proveQueries(plan, coverage.missingPartitions.length === 0, forEach) : undefined;
    const searched = proven?.rest ?? plan;
    const golden = searched.golden && (await findGoldenSubset(searched, forEach));
    clock.begin('aggregateMs');
    const cuts = golden?.cuts ?? [];
    const root: TreeNode = { level: rootLevel(present), index: 0 };
    const answered = (answer: StepAnswer): StepAnswer => {
      clock.end();
      clock.timings.workerComputeMs = scatter.computeMs;
      return answer;
    };
    if (plan.blockRows !== undefined) {
      const nodes = joined(await forEach('BLOCKS', (worker) => worker.blocks(cuts, precision?.groups ?? 1)));
      clock.begin('mergeMs');
      const partial = mergeUp(nodes, root, mergeBlocked);
      invariant(partial !== undefined, 'blocks cover the partitions');
      const eligible = eligibleReached(plan, coverage, partial.whole.rows, golden);
      return answered(formBlockedAnswer(plan, precision, { partial, eligible, coverage }, clock.timings));
    }
    if (precision !== undefined) {
      const nodes = joined(await forEach('GROUPS', (worker) => worker.groups(cuts, precision.groups)));
      clock.begin('mergeMs');
      const partial = mergeUp(nodes, root, mergeGrouped);
      invariant(partial !== undefined, 'groups cover the partitions');
      const eligible = eligibleReached(plan, coverage, partial.rows, golden);
      return answered(formGroupedAnswer(plan, precision, { partial, eligible, coverage }, clock.timings));
    }
    const byNode = proven?.scalars ?? joined(await forEach('SCALARS', (worker) => worker.scalars(cuts, proven?.poolShare)));
    clock.begin('mergeMs');
    const scalars = mergeUp(byNode, root, mergeScalars);
    invariant(scalars !== undefined, 'scalars cover the partitions');
    clock.begin('aggregateMs');
    const replies = await forEach('SUMS', async (worker) => {
      // One that takes over here has not been asked for its scalars, and may merge other nodes than the one before it did.
      const nodes = worker.nodes ?? (await worker.scalars(cuts, proven?.poolShare));
      return { ...(await worker.sums(cuts, scalars, plan.massRows, proven?.poolShare)), nodes };
    });
    clock.begin('mergeMs');
    const merged = mergeReplies(plan, root, replies);
    const eligible = eligibleReached(plan, coverage, scalars.rows, golden);
    const found = { scalars, lastDistance: golden?.lastDistance };
    const told = proven && golden ? withProven(plan, proven, { scalars, lastDistance: golden.lastDistance }) : found;
    return answered(formAnswer(plan, { ...merged, ...told, eligible, coverage }, clock.timings));
  } catch (thrown) {
    clock.end(thrown);
    throw thrown;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
    scatter.close();
  }
}

function openRequest(plan: StepPlan, epoch: number, context: StepContext, precision: ReadyPrecision | undefined) {
  const golden = plan.golden;
  const timeoutMs = Math.min(STEP_TIMEOUT_MS, Math.floor(context.remainingMs() - DEADLINE_MARGIN_MS));
  if (timeoutMs < 1)
    throw new GolddiffError('DEADLINE_EXCEEDED', `The deadline leaves no time for a step: it takes at least ${DEADLINE_MARGIN_MS + 1} ms`);
  return {
    requestId: context.requestId,
    dataSet: plan.manifest.name,
    epoch,
    xDtype: plan.xDtype,
    batchRows: plan.batch,
    rowValues: plan.dim,
    alpha: [...plan.alpha],
    sigma: [...plan.sigma],
    temperature: plan.temperature,
    labels: plan.labels ? [...plan.labels] : [],
    proxyResolution: golden?.proxyResolution ?? 0,
    presampleSeed: golden?.presampleSeed ?? 0,
    presampleStep: golden?.presampleStep ?? 0,
    queryIds: golden ? [...golden.queryIds] : [],
    timeoutMs,
    search: golden?.search ?? 'SEARCH_UNSPECIFIED',
    tolerance: plan.tolerance ?? 0,
    blockRows: plan.blockRows ?? 0,
    ...(precision && { precisions: precision.kinds.map(({ message }) => message), precisionOf: [...precision.of] }),
  };
}

function bytesOfQueries(plan: StepPlan): Uint8Array {
  const values = plan.xDtype === 'F64' ? plan.x : new Float32Array(plan.x);
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function joined<T>(maps: readonly ReadonlyMap<string, T>[]): Map<string, T> {
  return new Map(maps.flatMap((map) => [...map]));
}

interface NodeValue {
  readonly scalars: PosteriorScalars;
  readonly sums: PosteriorSums;
}

function mergeReplies(plan: StepPlan, root: TreeNode, replies: readonly (SumsReply & { readonly nodes: ReadonlyMap<string, PosteriorScalars> })[]) {
  const scalars = joined(replies.map((reply) => reply.nodes));
  const sums = joined(replies.map((reply) => reply.sums));
  for (const key of sums.keys()) invariant(scalars.has(key), 'sums are of nodes whose scalars came before');
  const values = new Map([...scalars].map(([key, value]): [string, NodeValue] => [key, { scalars: value, sums: sums.get(key) ?? EMPTY_SUMS }]));
  const whole = mergeUp(values, root, (left, right) => ({
    scalars: mergeScalars(left.scalars, right.scalars),
    sums: mergeSums(left.sums, left.scalars.maxLogit, right.sums, right.scalars.maxLogit, plan.dim),
  }));
  const skippedShare = new Float64Array(plan.batch);
  // Shares are multiples of one small number (SKIPPED_SHARE_QUANTUM), so that their sum is exact in any grouping.
  for (const reply of replies) reply.skippedShare.forEach((share, b) => (skippedShare[b]! += share));
  const histogram: MergedHistogram | undefined = plan.massRows
    ? mergeUp(joined(replies.map((reply) => reply.histograms)), root, mergeHistograms)
    : undefined;
  return { sums: whole?.sums ?? EMPTY_SUMS, skippedShare, histogram };
}

/** Over the whole data set the manifest knows; over a part of it the screens do, or else every eligible row has been summed. */
function eligibleReached(plan: StepPlan, coverage: StepCoverage, rows: Float64Array, golden: GoldenSubset | undefined): Float64Array {
  if (coverage.missingPartitions.length === 0) return plan.eligible;
  return rows.map((summed, b) => {
    const seen = golden?.eligible[b] ?? NaN;
    return Number.isNaN(seen) ? summed : seen;
  });
}

type Phase = Extract<keyof StepTimings, 'scatterMs' | 'screenMs' | 'aggregateMs' | 'mergeMs'>;

/** Splits the wall time of one attempt into phases; a phase may come more than once. The first is under way from the start, the last until `end`. */
class PhaseClock {
  readonly timings: StepTimings = { totalMs: 0, queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs: 0, mergeMs: 0, workerComputeMs: 0 };
  /** of the phase under way */
  span: Span | undefined;
  #phase: Phase = 'scatterMs';
  #since = performance.now();

  constructor(private readonly step: Span | undefined) {
    this.#begin('scatterMs');
  }

  /** Ends the phase before. */
  begin(phase: Phase): void {
    this.end();
    this.#begin(phase);
  }

  /** @param error why the phase under way failed */
  end(error?: unknown): void {
    const now = performance.now();
    this.timings[this.#phase] += now - this.#since;
    this.#since = now;
    this.span?.end(error);
  }

  #begin(phase: Phase): void {
    this.#phase = phase;
    this.span = this.step?.child(phase.slice(0, -'Ms'.length));
  }
}
