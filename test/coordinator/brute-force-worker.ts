/**
 * A shard worker for tests of the coordinator: a real gRPC server over a brute-force computation, that delays its answers and sends parts out of order,
 * by a seed. It can be told to fail, hang or vanish.
 */

import type { OpenStep__Output } from '../../proto/generated/golddiff/v1/OpenStep.js';
import type { ScreenPart } from '../../proto/generated/golddiff/v1/ScreenPart.js';
import type { ShardServiceHandlers } from '../../proto/generated/golddiff/v1/ShardService.js';
import type { StepRequest__Output } from '../../proto/generated/golddiff/v1/StepRequest.js';
import type { SumsPart } from '../../proto/generated/golddiff/v1/SumsPart.js';
import type { StepResponse } from '../../proto/generated/golddiff/v1/StepResponse.js';
import { GolddiffError, asGolddiffError } from '../../shared/errors.js';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { createLogger } from '../../shared/log.js';
import { coveringNodes, mergeUp, nodeKey } from '../../shared/math/merge-tree.js';
import { mergeScalars, mergeSums } from '../../shared/math/partial-posterior.js';
import { rankWindow } from '../../shared/math/rank-selection.js';
import { startGrpcServer } from '../../shared/rpc/grpc-server.js';
import { bidi, serverStream, unary } from '../../shared/rpc/handlers.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import type { TlsFiles } from '../../shared/tls/tls-files.js';
import { BruteForceStep } from './brute-force-step.js';
import { randomSource, type TestDataSet } from './test-data.js';

export interface BruteForceOptions {
  readonly workerId: string;
  readonly data: TestDataSet;
  readonly seed?: number;
  /** longest delay before a reply */
  readonly delayMsMax?: number;
  readonly listen?: string;
  /** absent = plain text */
  readonly tls?: TlsFiles;
  /** partitions that do not load */
  readonly broken?: readonly number[];
  /** what they say about it */
  readonly failure?: string;
}

export interface BruteForceWorker {
  readonly workerId: string;
  readonly address: string;
  readonly log: string[];
  /** called before each reply of the kind; may throw to fail the step, or never resolve to hang */
  before: (body: string, open: OpenStep__Output) => Promise<void> | void;
  epoch: number;
  held: readonly number[];
  closes: number;
  stop(): void;
}

export async function startBruteForceWorker(options: BruteForceOptions): Promise<BruteForceWorker> {
  const { data, workerId } = options;
  const random = randomSource(options.seed ?? 3);
  const instanceId = `${workerId}-${Math.random()}`;
  const log: string[] = [];
  const held = () =>
    worker.held.map((partition) => ({
      dataSet: data.manifest.name,
      partition,
      rows: data.manifest.partitions[partition]!.rows,
      sha256: data.manifest.partitions[partition]!.sha256,
      epoch: worker.epoch,
      failure: options.broken?.includes(partition) ? (options.failure ?? `Expected sha256 of partition ${partition} to be right`) : '',
    }));
  const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, random() * (options.delayMsMax ?? 0)));

  const implementation: ShardServiceHandlers = {
    Describe: unary(async () => ({ workerId, instanceId, backend: 'reference', held: held(), draining: false })),
    Assign: unary(async (request) => {
      worker.epoch = request.epoch;
      worker.held = request.partitions;
      log.push(`assign ${request.epoch}: ${request.partitions.join(',')}`);
      return { held: held() };
    }),
    HoldSupports: unary(() => Promise.reject(new GolddiffError('UNSUPPORTED', 'This worker scores whole rows'))),
    Moments: serverStream(() => Promise.reject(new GolddiffError('UNSUPPORTED', 'This worker sums nothing'))),
    Steps: bidi<StepRequest__Output, StepResponse>(async (requests, _context, write) => {
      const steps = new Map<number, { open: OpenStep__Output; chunks: Buffer[]; queue: Promise<void>; step?: BruteForceStep }>();
      for await (const request of requests) {
        const id = request.stepId;
        if (request.open) {
          steps.set(id, { open: request.open, chunks: [request.open.x], queue: Promise.resolve() });
          if (request.body === undefined) continue;
        }
        const state = steps.get(id);
        if (!state) continue;
        if (request.xChunk) state.chunks.push(request.xChunk.data);
        else if (request.close) {
          worker.closes++;
          steps.delete(id);
        } else {
          state.queue = state.queue.then(async () => {
            try {
              if (state.open.epoch !== worker.epoch) throw new GolddiffError('EPOCH_STALE', `Expected epoch ${worker.epoch}`);
              state.step ??= new BruteForceStep(data, state.open, queriesOf(state.open, state.chunks));
              await worker.before(String(request.body), state.open);
              for (const reply of repliesTo(state.step, request, random)) {
                await pause();
                if (steps.has(id)) await write({ stepId: id, ...reply });
              }
              if (request.aggregate?.last) steps.delete(id);
            } catch (thrown) {
              const error = asGolddiffError(thrown);
              if (steps.delete(id)) await write({ stepId: id, failure: { code: error.code, message: error.message } }).catch(() => {});
            }
          });
        }
      }
    }),
  };
  const server = await startGrpcServer({
    tls: options.tls,
    listen: options.listen ?? '127.0.0.1:0',
    services: [{ service: protoPackage.ShardService.service, implementation }],
    log: createLogger('test-worker', 'silent'),
    messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX,
  });
  const worker: BruteForceWorker = {
    workerId,
    address: server.address,
    log,
    before: () => {},
    epoch: 0,
    held: [],
    closes: 0,
    stop: () => server.forceStop(),
  };
  return worker;
}

function queriesOf(open: OpenStep__Output, chunks: Buffer[]): Float64Array {
  const bytes = new Uint8Array(Buffer.concat(chunks));
  const x = open.xDtype === 'F64' ? new Float64Array(bytes.buffer) : Float64Array.from(new Float32Array(bytes.buffer));
  if (x.length !== open.batchRows * open.rowValues) throw new GolddiffError('INTERNAL', `${x.length} values came`);
  return x;
}

function* repliesTo(step: BruteForceStep, request: StepRequest__Output, random: () => number): Generator<Omit<StepResponse, 'stepId'>> {
  const partitions = step.open.partitions;
  const present = step.data.manifest.partitions.map((p) => p.id);
  if (request.screen) {
    const { stage, cuts, rankFraction, windows } = request.screen;
    const asked = windows.length > 0 ? [...new Set(windows.map((w) => w.partition))] : partitions;
    for (const partition of shuffled(asked, random)) {
      const ranges =
        windows.length > 0
          ? windows.filter((w) => w.partition === partition)
          : rankFraction.map((fraction, query) => ({ query, ...rankWindow(fraction, step.sortedKeys(stage, partition, query, cuts).length) }));
      const part: Required<ScreenPart> = {
        partition,
        queries: [],
        eligible: [],
        firstRank: [],
        count: [],
        keys: Buffer.alloc(0),
        rowIds: Buffer.alloc(0),
        searchedRows: 0,
      };
      const keys: number[] = [];
      const ids: number[] = [];
      for (const { query, firstRank, count } of ranges) {
        const sorted = step.sortedKeys(stage, partition, query, cuts);
        part.queries.push(query);
        part.eligible.push(sorted.length);
        part.firstRank.push(firstRank);
        part.count.push(count);
        for (const [key, id] of sorted.slice(firstRank, firstRank + count)) {
          keys.push(key);
          ids.push(id);
        }
      }
      yield { screenPart: { ...part, keys: bytesOf(Float64Array.from(keys)), rowIds: bytesOf(Uint32Array.from(ids)) } };
    }
    yield { screenDone: { computeMs: 1 } };
    return;
  }
  const aggregate = request.aggregate!;
  const scalars = new Map(partitions.map((p) => [nodeKey({ level: 0, index: p }), step.scalars(p, aggregate.cuts)]));
  const nodes = coveringNodes(partitions, present);
  if (aggregate.stage === 'SCALARS') {
    const merged = nodes.map((node) => {
      const value = mergeUp(scalars, node, mergeScalars)!;
      return { ...node, maxLogit: [...value.maxLogit], mass: [...value.mass], massSq: [...value.massSq], rows: [...value.rows] };
    });
    yield { scalars: { nodes: shuffled(merged, random), computeMs: 1 } };
    return;
  }
  const skippedShare = new Float64Array(step.batch);
  const leaves = new Map(
    partitions.map((p) => {
      const own = scalars.get(nodeKey({ level: 0, index: p }))!;
      const { sums, skipped } = step.sums(p, aggregate, own);
      skipped.forEach((share, b) => (skippedShare[b]! += share));
      return [nodeKey({ level: 0, index: p }), { own, sums, histogram: step.histogram(p, aggregate) }];
    }),
  );
  const histograms = [];
  const parts: SumsPart[] = [];
  for (const node of shuffled(nodes, random)) {
    const value = mergeUp(leaves, node, (l, r) => ({
      own: mergeScalars(l.own, r.own),
      sums: mergeSums(l.sums, l.own.maxLogit, r.sums, r.own.maxLogit, step.dim),
      histogram: { rows: l.histogram.rows.map((n, i) => n + r.histogram.rows[i]!), mass: l.histogram.mass.map((n, i) => n + r.histogram.mass[i]!) },
    }))!;
    const data = bytesOf(value.sums.sums);
    const cut = Math.floor(random() * data.length);
    if (value.sums.queries.length > 0) {
      yield { sumsPart: { ...node, queries: [...value.sums.queries], data: data.subarray(0, cut) } };
      const rest = { ...node, queries: [], data: data.subarray(cut) };
      if (random() < 0.5) parts.push(rest);
      else yield { sumsPart: rest };
    }
    if (aggregate.histogram) histograms.push({ ...node, rows: bytesOf(Uint32Array.from(value.histogram.rows)), mass: bytesOf(value.histogram.mass) });
  }
  yield { sumsDone: { skippedShare: [...skippedShare], histograms, computeMs: 1, parts } };
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

function bytesOf(array: Float64Array | Float32Array | Uint32Array): Buffer {
  return Buffer.from(array.buffer, array.byteOffset, array.byteLength);
}
