/**
 * One step on this worker: takes x, then answers one request after another until it is closed, fails or runs out of time.
 * Partitions are computed side by side; their partials are merged along the one tree before they are sent.
 */

import type { GroupsPart } from '../proto/generated/golddiff/v1/GroupsPart.js';
import type { StepRequest__Output } from '../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse } from '../proto/generated/golddiff/v1/StepResponse.js';
import type { SumsPart } from '../proto/generated/golddiff/v1/SumsPart.js';
import { argumentError, asGolddiffError, GolddiffError, invariant } from '../shared/errors.js';
import { DATA_PLANE_CHUNK_BYTES, GROUPS_PER_THREAD, TIMER_MS_MAX } from '../shared/limits.js';
import { mergeBlocked, type BlockedPartial } from '../shared/math/blocked-partial.js';
import { mergeGrouped, type GroupedPartial } from '../shared/math/grouped-partial.js';
import type { TreeNode } from '../shared/math/merge-tree.js';
import { mergeScalars, mergeSums, type PosteriorScalars, type PosteriorSums } from '../shared/math/partial-posterior.js';
import type { Span } from '../shared/tracing.js';
import type { Backend, BackendStep, LogitHistogram, PartitionScalars, RankRequest, ScreenStage, StageCuts, StepQueries } from './backends/backend.js';
import type { CandidateSearch } from './candidates/candidate-search.js';
import { blockPartial, type RowSpan } from './block-partials.js';
import { blocksParts, groupsParts } from './grouped-replies.js';
import { mergeAsTheyCome } from './merge-as-they-come.js';
import { mergeHistograms, mergeLeaves } from './merge-leaves.js';
import { QueryAssembly } from './query-assembly.js';
import {
  bytesOf,
  decodeAggregate,
  decodeScreen,
  encodeProofs,
  encodeScreen,
  type AggregateRequest,
  type ScreenRequest,
  type StepOpening,
} from './step-messages.js';

export type StepReply = Omit<StepResponse, 'stepId' | 'body'>;
export type StepOutcome = 'ok' | 'failed' | 'cancelled';
export type ComputePhase = 'screen' | 'scalars' | 'sums' | 'groups' | 'blocks';
export type RowStage = ScreenStage | 'proof' | 'sums';

export interface StepSessionSettings {
  readonly opening: StepOpening;
  /** all partitions of the data set, ascending */
  readonly present: readonly number[];
  /** where a partition's rows lie in the data set */
  readonly spanOf: (partition: number) => RowSpan;
  readonly backend: Backend;
  /** [C, H, W] of the data set */
  readonly shape: readonly [number, number, number];
  /** undefined = every proxy stage is a scan */
  readonly candidates?: CandidateSearch | undefined;
  /** resolves when the next reply may be made; rejects when nobody reads */
  readonly send: (reply: StepReply) => Promise<void>;
  /** once, when the step is over */
  readonly onEnd: (outcome: StepOutcome, failure?: GolddiffError) => void;
  readonly onCompute?: (phase: ComputePhase, seconds: number, span?: Span) => void;
  /** @param name what was asked. @param traceparent of whoever asked, '' where that is not traced */
  readonly startSpan?: (name: string, traceparent: string) => Span | undefined;
  /** rows that were looked at in a partition, added up over queries: once for each stage and set of cuts */
  readonly onRows?: (stage: RowStage, rows: number) => void;
  /** bytes of partials that were sent */
  readonly onSent?: (bytes: number) => void;
}

export class StepSession {
  readonly #settings: StepSessionSettings;
  readonly #assembly: QueryAssembly;
  readonly #timer: NodeJS.Timeout;
  #step: BackendStep | undefined;
  #queries: StepQueries | undefined;
  /** partitions restricted to candidates -> their rows */
  readonly #searched = new Map<number, number>();
  readonly #cancelled = new Int32Array(new SharedArrayBuffer(4));
  /** of blocks of rows that are being scored */
  readonly #blockSteps = new Set<BackendStep>();
  #busy = false;
  /** of the request under way */
  #span: Span | undefined;
  #over = false;
  /** of the last request for scalars: sums need each partition's own maximum */
  #scalars: { readonly cuts: StageCuts; readonly leaves: ReadonlyMap<number, PartitionScalars> } | undefined;

  constructor(settings: StepSessionSettings) {
    const { batch, rowValues, xDtype, timeoutMs } = settings.opening;
    this.#settings = settings;
    this.#assembly = new QueryAssembly(batch, rowValues, xDtype);
    const expire = (): void => this.fail(new GolddiffError('DEADLINE_EXCEEDED', `The step was not closed within its ${timeoutMs} ms`));
    this.#timer = setTimeout(expire, Math.min(timeoutMs, TIMER_MS_MAX));
  }

  /** Takes the piece of x that came with the open. What is wrong with it fails the step. */
  begin(x: Uint8Array): void {
    try {
      this.#assembly.add(x);
    } catch (thrown) {
      this.fail(asGolddiffError(thrown));
    }
  }

  /** Takes a request of this step other than open and close. What is wrong with it fails the step. */
  handle(request: StepRequest__Output): void {
    if (this.#over) return;
    try {
      if (request.xChunk) {
        if (this.#step) throw argumentError('x_chunk', 'all of x before the first request of the step', 'a piece of it after');
        this.#assembly.add(request.xChunk.data);
        return;
      }
      if (this.#busy) throw argumentError('step', 'one request at a time', `${String(request.body)} before the last one was answered`);
      const { opening } = this.#settings;
      this.#span = this.#settings.startSpan?.(`worker ${(request.screen ?? request.aggregate)?.stage ?? ''}`, request.traceparent);
      if (request.screen) this.#run(this.#screen(decodeScreen(request.screen, opening), this.#compute()), false);
      else if (request.aggregate) this.#run(this.#aggregate(decodeAggregate(request.aggregate, opening), this.#compute()), request.aggregate.last);
      else throw argumentError('step', 'x_chunk, screen, aggregate or close', request.body ?? 'nothing');
    } catch (thrown) {
      this.fail(asGolddiffError(thrown));
    }
  }

  /** The caller is done, or gone. Idempotent. */
  close(): void {
    this.#end(this.#busy ? 'cancelled' : 'ok');
  }

  /** Ends the step and says why. */
  fail(error: GolddiffError): void {
    if (this.#over) return;
    this.#end('failed', error);
    this.#settings.send({ failure: failureOf(error) }).catch(() => {});
  }

  #end(outcome: StepOutcome, failure?: GolddiffError): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    Atomics.store(this.#cancelled, 0, 1);
    this.#step?.close();
    for (const step of this.#blockSteps) step.close();
    this.#scalars = undefined;
    this.#span?.end(failure ?? (outcome === 'cancelled' ? new GolddiffError('CANCELLED', 'The step was closed') : undefined));
    this.#settings.onEnd(outcome, failure);
  }

  #compute(): BackendStep {
    this.#assembly.checkComplete();
    const { opening } = this.#settings;
    // Screens of a step whose sums are of blocks go where those go: a row at a cut is inside or outside by the last bit of its distance.
    this.#queries ??= { ...opening.queries, x: this.#assembly.x, restricted: opening.blockRows > 0 };
    this.#step ??= this.#settings.backend.openStep(this.#queries);
    return this.#step;
  }

  /** `work` ends with the reply that ends the request; the next one may come as soon as that has been written, or it ends the step too. */
  #run(work: Promise<StepReply>, endsStep: boolean): void {
    this.#busy = true;
    const span = this.#span;
    work
      .then(async (last) => {
        this.#busy = false;
        // The step keeps its place until the peer has taken the reply: replies that nobody reads must not pile up.
        await this.#reply(last);
        span?.end();
        if (endsStep) this.#end('ok');
      })
      .catch((thrown: unknown) => this.fail(asGolddiffError(thrown)));
  }

  async #screen({ stage, cuts, ranks }: ScreenRequest, step: BackendStep): Promise<StepReply> {
    const startedMs = performance.now();
    let computedMs = startedMs;
    await Promise.all(
      [...ranks].map(async ([partition, request]) => {
        const searching = stage === 'proxy' && cuts.presample === undefined && request.kind === 'fraction' && !this.#searched.has(partition);
        const ranked = searching ? await this.#ranksAmongCandidates(partition, request, step) : request;
        const screen = await step.screen(partition, stage, cuts, ranked);
        computedMs = performance.now();
        // A later round asks for other ranks of keys that are there already.
        if (request.kind === 'fraction') this.#settings.onRows?.(stage, total(screen.eligible));
        for (const screenPart of encodeScreen(partition, screen, stage === 'proxy' ? this.#searched.get(partition) : 0)) {
          await this.#reply({ screenPart });
          this.#settings.onSent?.((screenPart.keys?.length ?? 0) + (screenPart.rowIds?.length ?? 0));
        }
      }),
    );
    this.#settings.onCompute?.('screen', (computedMs - startedMs) / 1000, this.#span);
    return { screenDone: { computeMs: computedMs - startedMs } };
  }

  /** Where an index finds the candidates, the partition is restricted to them, and the ranks to ask for are those among them. */
  async #ranksAmongCandidates(partition: number, request: Extract<RankRequest, { kind: 'fraction' }>, step: BackendStep): Promise<RankRequest> {
    const { candidates, shape, opening } = this.#settings;
    const queries = this.#queries!;
    const { search: wish } = opening;
    const search = { partition, shape, wish, queries, fraction: request.fraction, cancelled: this.#cancelled };
    const found = await candidates?.find(search);
    if (found === undefined || this.#over) return request;
    step.restrict?.(partition, found.lists);
    this.#searched.set(partition, found.rows);
    return found.ranks;
  }

  async #aggregate(request: AggregateRequest, step: BackendStep): Promise<StepReply> {
    const startedMs = performance.now();
    if (request.stage === 'groups') return this.#groups(request.cuts, step);
    if (request.cuts.poolShare && step.provesPools !== true) return { scalars: {} };
    if (request.stage === 'blocks') return this.#blocks(request.cuts);
    const leaves = await this.#leafScalars(request.cuts, step);
    if (request.stage !== 'sums') {
      const computeMs = performance.now() - startedMs;
      const nodes = await mergeLeaves(leaves, this.#settings.present, mergeScalars, pause);
      this.#settings.onCompute?.('scalars', computeMs / 1000, this.#span);
      return {
        scalars: {
          nodes: nodes.map(({ node, value }) => ({
            ...node,
            maxLogit: [...value.maxLogit],
            mass: [...value.mass],
            massSq: [...value.massSq],
            rows: [...value.rows],
          })),
          computeMs,
          proofs: [...leaves].flatMap(([partition, { proofs }]) => (proofs ? [encodeProofs(partition, proofs)] : [])),
        },
      };
    }
    return this.#sums(request, step, leaves, startedMs);
  }

  async #sums(
    { cuts, global, negligibleShare, histogram }: Extract<AggregateRequest, { stage: 'sums' }>,
    step: BackendStep,
    scalars: ReadonlyMap<number, PosteriorScalars>,
    startedMs: number,
  ): Promise<StepReply> {
    const { opening, present } = this.#settings;
    const partitions = opening.partitions;
    const found = await Promise.all(partitions.map((partition) => step.sums(partition, cuts, global, negligibleShare, histogram)));
    const computeMs = performance.now() - startedMs;
    this.#settings.onCompute?.('sums', computeMs / 1000, this.#span);

    const skippedShare = new Float64Array(opening.batch);
    const leaves = new Map<number, NodeValue>();
    found.forEach(({ queries, sums, skippedShare: skipped, histogram: counted }, i) => {
      for (let b = 0; b < opening.batch; b++) skippedShare[b] = skippedShare[b]! + skipped[b]!;
      const leaf = scalars.get(partitions[i]!);
      invariant(leaf !== undefined, 'every partition of the step has its scalars');
      leaves.set(partitions[i]!, { scalars: leaf, sums: { queries, sums }, histogram: counted });
    });
    const merge = (left: NodeValue, right: NodeValue): NodeValue => ({
      scalars: mergeScalars(left.scalars, right.scalars),
      sums: mergeSums(left.sums, left.scalars.maxLogit, right.sums, right.scalars.maxLogit, opening.rowValues),
      histogram: left.histogram && right.histogram && mergeHistograms(left.histogram, right.histogram),
    });
    const nodes = await mergeLeaves(leaves, present, merge, pause);
    const parts = nodes.flatMap(({ node, value }) => sumsParts(node, value.sums));
    // What fits in one chunk goes with the last reply: each message costs both ends more than the bytes of small sums.
    let first = parts.length;
    for (let bytes = 0; first > 0 && (bytes += parts[first - 1]!.data.length) <= DATA_PLANE_CHUNK_BYTES;) first--;
    for (const sumsPart of parts.slice(0, first)) {
      await this.#reply({ sumsPart });
      this.#settings.onSent?.(sumsPart.data.length);
    }
    const histograms = nodes.flatMap(({ node, value }) =>
      value.histogram ? [{ ...node, rows: bytesOf(value.histogram.rows), mass: bytesOf(value.histogram.mass) }] : [],
    );
    const last = parts.slice(first);
    const lastBytes = last.reduce((sum, part) => sum + part.data.length, 0) + histograms.reduce((sum, h) => sum + h.rows.length + h.mass.length, 0);
    this.#settings.onSent?.(lastBytes);
    return { sumsDone: { skippedShare: [...skippedShare], histograms, computeMs, parts: last } };
  }

  #groups(cuts: StageCuts, step: BackendStep): Promise<StepReply> {
    const compute = async (partition: number): Promise<GroupedPartial> => {
      const partial = await step.groups(partition, cuts);
      this.#settings.onRows?.('sums', total(partial.rows));
      return partial;
    };
    return this.#nodes('groups', compute, mergeGrouped, groupsParts);
  }

  #blocks(cuts: StageCuts): Promise<StepReply> {
    const { opening, backend, spanOf } = this.#settings;
    const queries = this.#queries!;
    const onOpen = (step: BackendStep): (() => void) => {
      if (this.#over) throw new GolddiffError('CANCELLED', 'The step was closed');
      this.#blockSteps.add(step);
      return () => this.#blockSteps.delete(step);
    };
    const { blockRows } = opening;
    const partial = async (partition: number): Promise<BlockedPartial> => {
      const found = await blockPartial({ backend, queries, partition, span: spanOf(partition), blockRows, cuts, onOpen });
      this.#settings.onRows?.('sums', total(found.whole.rows));
      return found;
    };
    return this.#nodes('blocks', partial, mergeBlocked, blocksParts);
  }

  /** Partials larger than a message, merged and sent as they come. */
  async #nodes<T>(
    phase: ComputePhase,
    compute: (partition: number) => Promise<T>,
    merge: (left: T, right: T) => T,
    partsOf: (node: TreeNode, value: T) => (GroupsPart & { data: Buffer })[],
  ): Promise<StepReply> {
    const { opening, present, backend } = this.#settings;
    const startedMs = performance.now();
    const sideBySide = GROUPS_PER_THREAD * backend.computeThreads;
    for await (const { node, value } of mergeAsTheyCome(opening.partitions, present, sideBySide, compute, merge)) {
      for (const groupsPart of partsOf(node, value)) {
        await this.#reply({ groupsPart });
        this.#settings.onSent?.(groupsPart.data.length);
      }
    }
    // With the merges and the sending in between, which other partitions are computed meanwhile.
    const computeMs = performance.now() - startedMs;
    this.#settings.onCompute?.(phase, computeMs / 1000, this.#span);
    return { groupsDone: { computeMs } };
  }

  /** Scalars of every partition after the cuts, kept for the sums that follow. */
  async #leafScalars(cuts: StageCuts, step: BackendStep): Promise<ReadonlyMap<number, PartitionScalars>> {
    if (this.#scalars && sameCuts(this.#scalars.cuts, cuts)) return this.#scalars.leaves;
    const { partitions } = this.#settings.opening;
    const found = await Promise.all(partitions.map((partition) => step.scalars(partition, cuts)));
    const leaves = new Map(partitions.map((partition, i) => [partition, found[i]!]));
    for (const { rows, proofs } of found) {
      if (proofs) this.#settings.onRows?.('proof', total(proofs.eligible));
      this.#settings.onRows?.('sums', total(rows));
    }
    this.#scalars = { cuts, leaves };
    return leaves;
  }

  #reply(reply: StepReply): Promise<void> {
    if (this.#over) return Promise.reject(new GolddiffError('CANCELLED', 'The step was closed'));
    return this.#settings.send(reply);
  }
}

interface NodeValue {
  readonly scalars: PosteriorScalars;
  readonly sums: PosteriorSums;
  readonly histogram: LogitHistogram | undefined;
}

/** The sums of a node in pieces of at most a chunk; none where no query has sums. */
function sumsParts(node: TreeNode, { queries, sums }: PosteriorSums): (SumsPart & { data: Buffer })[] {
  const bytes = bytesOf(sums);
  const parts: (SumsPart & { data: Buffer })[] = [];
  for (let from = 0; from < bytes.length; from += DATA_PLANE_CHUNK_BYTES) {
    const data = bytes.subarray(from, from + DATA_PLANE_CHUNK_BYTES);
    parts.push({ ...node, queries: from === 0 ? [...queries] : [], data });
  }
  return parts;
}

export function failureOf(error: GolddiffError): NonNullable<StepResponse['failure']> {
  return {
    code: error.code,
    message: error.message,
    partitions: [...(error.data.partitions ?? [])],
    retryAfterMs: error.data.retryAfterMs ?? 0,
  };
}

function total(counts: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) sum += counts[i]!;
  return sum;
}

/** Lets the event loop turn: health and other steps come between two merges. */
function pause(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function sameCuts(a: StageCuts, b: StageCuts): boolean {
  if (a.poolShare?.join() !== b.poolShare?.join()) return false;
  return (['presample', 'proxy', 'full'] as const).every((stage) => {
    const one = a[stage];
    const other = b[stage];
    if (one === undefined || other === undefined) return one === other;
    return one.key.every((key, i) => key === other.key[i]) && one.rowId.every((id, i) => id === other.rowId[i]);
  });
}
