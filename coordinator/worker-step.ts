/** One step on one worker, in the words of shard.proto: encodes the requests, reads the replies of each, and checks that they are what was asked for. */

import type { CutVector } from '../proto/generated/golddiff/v1/CutVector.js';
import type { GroupsPart__Output } from '../proto/generated/golddiff/v1/GroupsPart.js';
import type { OpenStep } from '../proto/generated/golddiff/v1/OpenStep.js';
import type { NodeHistogram__Output } from '../proto/generated/golddiff/v1/NodeHistogram.js';
import type { ScalarsReply__Output } from '../proto/generated/golddiff/v1/ScalarsReply.js';
import type { ScreenPart__Output } from '../proto/generated/golddiff/v1/ScreenPart.js';
import type { StepResponse__Output } from '../proto/generated/golddiff/v1/StepResponse.js';
import type { SumsPart__Output } from '../proto/generated/golddiff/v1/SumsPart.js';
import { GolddiffError, isErrorCode } from '../shared/errors.js';
import { DATA_PLANE_CHUNK_BYTES, HISTOGRAM_BINS, NEGLIGIBLE_SHARE } from '../shared/limits.js';
import { blockedBytes, decodeBlocked, type BlockedPartial } from '../shared/math/blocked-partial.js';
import { decodeGrouped, groupedBytes, type GroupedPartial } from '../shared/math/grouped-partial.js';
import { nodeKey, partitionsUnder } from '../shared/math/merge-tree.js';
import type { PosteriorScalars, PosteriorSums } from '../shared/math/partial-posterior.js';
import type { PoolProofs } from '../shared/math/pool-proof.js';
import type { RankWindow, ScreenKeys } from '../shared/math/rank-selection.js';
import type { MergedHistogram } from './mass-rows.js';
import { NodeAssembly } from './node-assembly.js';
import type { LinkedStep, StepBody } from './worker-link.js';

export type ScreenStageName = 'PRESAMPLE_HASH' | 'PROXY_DISTANCE' | 'FULL_DISTANCE';

/** Counts bytes of tensors and partials. */
export type ByteCounter = (direction: 'sent' | 'received', bytes: number) => void;

export interface SumsReply {
  readonly sums: ReadonlyMap<string, PosteriorSums>;
  readonly histograms: ReadonlyMap<string, MergedHistogram>;
  /** [B] share of the mass that was left out */
  readonly skippedShare: readonly number[];
}

/** Arguments that all steps of one batch share. */
export interface WorkerStepSettings {
  readonly batch: number;
  readonly dim: number;
  /** partitions that exist in the data set, ascending */
  readonly present: readonly number[];
  readonly countBytes: ByteCounter;
}

export class WorkerStep {
  /** the worker's own compute time so far */
  computeMs = 0;
  /** messages sent so far */
  requests = 0;
  /** An index has found the candidates of some partition: what follows depends on what it found, which no request says. */
  usedIndex = false;
  /** goes along with every request, where it is traced */
  traceparent: string | undefined;
  /** of the last request for scalars: sums are relative to the maxima of these nodes */
  nodes: ReadonlyMap<string, PosteriorScalars> | undefined;
  /** An Open that holds all of x waits for the first request and travels with it. */
  #opening: OpenStep | undefined;
  readonly #held: readonly number[];

  /** @param partitions of this worker, ascending */
  constructor(
    readonly workerId: string,
    readonly partitions: readonly number[],
    private readonly step: LinkedStep,
    private readonly settings: WorkerStepSettings,
  ) {
    this.#held = partitions;
  }

  /** @param x little-endian [B, D]; left alone until the first request has been answered */
  async open(open: OpenStep, x: Uint8Array): Promise<void> {
    const opening = { ...open, partitions: [...this.partitions], x: x.subarray(0, DATA_PLANE_CHUNK_BYTES) };
    this.settings.countBytes('sent', x.length);
    if (x.length <= DATA_PLANE_CHUNK_BYTES) {
      this.#opening = opening;
      return;
    }
    this.requests++;
    await this.step.send({ open: opening });
    for (let from = DATA_PLANE_CHUNK_BYTES; from < x.length; from += DATA_PLANE_CHUNK_BYTES) {
      await this.step.send({ xChunk: { data: x.subarray(from, from + DATA_PLANE_CHUNK_BYTES) } });
    }
  }

  /** Keys of every partition of this worker by fraction, or of the windows given. */
  async screen(
    stage: ScreenStageName,
    cuts: readonly CutVector[],
    ranks: { fractions: Float64Array } | { windows: readonly RankWindow[] },
  ): Promise<ScreenKeys[]> {
    const how = 'fractions' in ranks ? { rankFraction: [...ranks.fractions] } : { windows: [...ranks.windows] };
    await this.#send({ screen: { stage, cuts: [...cuts], ...how } });
    const parts: ScreenKeys[] = [];
    for (;;) {
      const reply = await this.#next();
      if (reply.screenPart) parts.push(this.#keysOf(reply.screenPart));
      else if (reply.screenDone) {
        this.computeMs += reply.screenDone.computeMs;
        return parts;
      } else throw this.#unexpected(reply);
    }
  }

  /** Scalars by node of the merge tree; together they cover this worker's partitions. @param poolShare as in Aggregate, not asking for proofs */
  async scalars(cuts: readonly CutVector[], poolShare: readonly number[] = []): Promise<Map<string, PosteriorScalars>> {
    return this.#nodesOf(await this.#askScalars(cuts, poolShare));
  }

  /** Scalars of the rows that could matter, and a proof of each partition; undefined where the worker's backend has none. @param poolShare [B] */
  async relevant(poolShare: readonly number[]): Promise<{ scalars: Map<string, PosteriorScalars>; proofs: readonly PoolProofs[] } | undefined> {
    const reply = await this.#askScalars([], poolShare);
    if (reply.proofs.length === 0) return undefined;
    if (reply.proofs.map(({ partition }) => partition).join() !== this.#held.join()) throw this.#broken('its proofs are not of its partitions');
    const points = reply.proofs[0]!.rank.length;
    for (const { rank, least, most, ...rest } of reply.proofs) {
      const perQuery = [rest.eligible, rest.relevant, rest.relevantKey, rest.unseenKey];
      if (perQuery.some((array) => array.length !== this.settings.batch) || [rank, least, most].some((array) => array.length !== points))
        throw this.#broken(`the proof of partition ${rest.partition} does not have its shape`);
    }
    return { scalars: this.#nodesOf(reply), proofs: reply.proofs };
  }

  async #askScalars(cuts: readonly CutVector[], poolShare: readonly number[]): Promise<ScalarsReply__Output> {
    await this.#send({ aggregate: { stage: 'SCALARS', cuts: [...cuts], poolShare: [...poolShare] } });
    const reply = await this.#next();
    if (!reply.scalars) throw this.#unexpected(reply);
    this.computeMs += reply.scalars.computeMs;
    return reply.scalars;
  }

  #nodesOf(reply: ScalarsReply__Output): Map<string, PosteriorScalars> {
    const nodes = new Map<string, PosteriorScalars>();
    const covered: number[] = [];
    for (const node of reply.nodes) {
      const { maxLogit, mass, massSq, rows } = node;
      if ([maxLogit, mass, massSq, rows].some((array) => array.length !== this.settings.batch))
        throw this.#broken(`scalars of ${nodeKey(node)} are not [B]`);
      nodes.set(nodeKey(node), {
        maxLogit: Float64Array.from(maxLogit),
        mass: Float64Array.from(mass),
        massSq: Float64Array.from(massSq),
        rows: Float64Array.from(rows),
      });
      covered.push(...partitionsUnder(node, this.settings.present));
    }
    if (covered.sort((a, b) => a - b).join() !== this.#held.join()) throw this.#broken('its scalars do not cover its partitions once each');
    this.nodes = nodes;
    return nodes;
  }

  /** Weighted sums by node, relative to that node's own maximum. They end the step. */
  async sums(cuts: readonly CutVector[], global: PosteriorScalars, histogram: boolean, poolShare: readonly number[] = []): Promise<SumsReply> {
    const body: StepBody = {
      aggregate: {
        stage: 'SUMS',
        cuts: [...cuts],
        maxLogit: [...global.maxLogit],
        mass: [...global.mass],
        negligibleShare: NEGLIGIBLE_SHARE,
        histogram,
        poolShare: [...poolShare],
        last: true,
      },
    };
    await this.#send(body);
    const nodes = new Map<string, SumsAssembly>();
    for (;;) {
      const reply = await this.#next();
      if (reply.sumsPart) this.#addSums(nodes, reply.sumsPart);
      else if (reply.sumsDone) {
        this.computeMs += reply.sumsDone.computeMs;
        for (const part of reply.sumsDone.parts) this.#addSums(nodes, part);
        const sums = new Map<string, PosteriorSums>();
        for (const [key, node] of nodes) {
          if (node.filledBytes !== node.sums.byteLength)
            throw this.#broken(`the sums of node ${key} end after ${node.filledBytes} of ${node.sums.byteLength} bytes`);
          sums.set(key, node);
        }
        this.step.end();
        return { sums, histograms: this.#histogramsOf(reply.sumsDone.histograms), skippedShare: reply.sumsDone.skippedShare };
      } else throw this.#unexpected(reply);
    }
  }

  /** Groups by node of the merge tree; together they cover this worker's partitions. They end the step. @param groups G */
  groups(cuts: readonly CutVector[], groups: number): Promise<Map<string, GroupedPartial>> {
    const { batch, dim } = this.settings;
    return this.#nodes('GROUPS', cuts, groupedBytes(batch, groups, dim), ({ rows, ...node }, bytes) => {
      if (rows.length !== batch) throw this.#broken(`the rows of node ${nodeKey(node)} are not [B]`);
      return decodeGrouped(Float64Array.from(rows), groups, dim, bytes);
    });
  }

  /** Blocks of rows by node of the merge tree, as `groups`. */
  blocks(cuts: readonly CutVector[], groups: number): Promise<Map<string, BlockedPartial>> {
    const { batch, dim } = this.settings;
    return this.#nodes('BLOCKS', cuts, blockedBytes(batch, groups, dim), (_node, bytes) => decodeBlocked(batch, groups, dim, bytes));
  }

  async #nodes<T>(
    stage: 'GROUPS' | 'BLOCKS',
    cuts: readonly CutVector[],
    nodeBytes: number,
    make: (first: GroupsPart__Output, bytes: Uint8Array<ArrayBuffer>) => T,
  ): Promise<Map<string, T>> {
    await this.#send({ aggregate: { stage, cuts: [...cuts], last: true } });
    const assembly = new NodeAssembly<GroupsPart__Output>(this.workerId, stage.toLowerCase(), nodeBytes);
    for (;;) {
      const reply = await this.#next();
      if (reply.groupsPart) {
        this.settings.countBytes('received', reply.groupsPart.data.length);
        assembly.add(reply.groupsPart);
      } else if (reply.groupsDone) {
        this.computeMs += reply.groupsDone.computeMs;
        const nodes = assembly.finish(this.#held, this.settings.present, make);
        this.step.end();
        return nodes;
      } else throw this.#unexpected(reply);
    }
  }

  close(reason?: GolddiffError): void {
    this.step.close(reason);
  }

  #send(body: StepBody): Promise<void> {
    const opening = this.#opening;
    this.#opening = undefined;
    this.requests++;
    const traced = this.traceparent === undefined ? body : { ...body, traceparent: this.traceparent };
    return this.step.send(opening === undefined ? traced : { open: opening, ...traced });
  }

  async #next(): Promise<StepResponse__Output> {
    const reply = await this.step.next();
    const failure = reply.failure;
    if (!failure) return reply;
    const code = isErrorCode(failure.code) ? failure.code : 'INTERNAL';
    const retry = failure.retryAfterMs > 0 ? { retryAfterMs: failure.retryAfterMs } : {};
    throw new GolddiffError(code, failure.message, { ...(failure.partitions.length > 0 ? { partitions: failure.partitions } : {}), ...retry });
  }

  #keysOf(part: ScreenPart__Output): ScreenKeys {
    this.settings.countBytes('received', part.keys.length + part.rowIds.length);
    const keys = new Float64Array(copyOf(part.keys));
    const rowIds = new Uint32Array(copyOf(part.rowIds));
    const counted = part.count.reduce((sum, n) => sum + n, 0);
    const B = part.queries.length;
    if (
      counted !== keys.length ||
      counted !== rowIds.length ||
      part.count.length !== B ||
      part.eligible.length !== B ||
      part.firstRank.length !== B
    ) {
      throw this.#broken(`the keys of partition ${part.partition} do not have the lengths that it says`);
    }
    const { partition, queries, eligible, firstRank, count, searchedRows } = part;
    this.usedIndex ||= searchedRows > 0;
    return { partition, queries, eligible, firstRank, count, keys, rowIds, ...(searchedRows > 0 && { searchedRows }) };
  }

  #addSums(nodes: Map<string, SumsAssembly>, part: SumsPart__Output): void {
    this.settings.countBytes('received', part.data.length);
    const key = nodeKey(part);
    let node = nodes.get(key);
    if (node === undefined) {
      const queries = Uint32Array.from(part.queries);
      node = { queries, sums: new Float32Array(queries.length * this.settings.dim), filledBytes: 0 };
      nodes.set(key, node);
    }
    if (node.filledBytes + part.data.length > node.sums.byteLength) throw this.#broken(`the sums of node ${key} are longer than their queries`);
    new Uint8Array(node.sums.buffer).set(part.data, node.filledBytes);
    node.filledBytes += part.data.length;
  }

  #histogramsOf(histograms: readonly NodeHistogram__Output[]): Map<string, MergedHistogram> {
    const size = this.settings.batch * HISTOGRAM_BINS;
    return new Map(
      histograms.map((h) => {
        this.settings.countBytes('received', h.rows.length + h.mass.length);
        const rows = Float64Array.from(new Uint32Array(copyOf(h.rows)));
        const mass = new Float64Array(copyOf(h.mass));
        if (rows.length !== size || mass.length !== size) throw this.#broken('a histogram is not [B, bins]');
        return [nodeKey(h), { rows, mass }];
      }),
    );
  }

  #unexpected(reply: StepResponse__Output): GolddiffError {
    return this.#broken(`it answered ${String(reply.body)} out of turn`);
  }

  #broken(what: string): GolddiffError {
    return new GolddiffError('INTERNAL', `Worker ${this.workerId} broke the protocol: ${what}`);
  }
}

interface SumsAssembly extends PosteriorSums {
  filledBytes: number;
}

/** Message bytes lie anywhere in a network buffer; typed arrays want multiples of their element size. */
function copyOf(data: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(data.byteLength);
  new Uint8Array(copy).set(data);
  return copy;
}
