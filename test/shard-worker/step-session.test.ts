import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { StepRequest__Output } from '../../proto/generated/golddiff/v1/StepRequest.js';
import { pino } from 'pino';
import type { Backend } from '../../shard-worker/backends/backend.js';
import { EquivariantThreads } from '../../shard-worker/backends/equivariant-threads.js';
import { ReferenceBackend } from '../../shard-worker/backends/reference/reference-backend.js';
import type { SumsPart } from '../../proto/generated/golddiff/v1/SumsPart.js';
import { DATA_PLANE_CHUNK_BYTES } from '../../shared/limits.js';
import { StepSession, type StepReply } from '../../shard-worker/step-session.js';
import type { StepOpening } from '../../shard-worker/step-messages.js';
import { blockedMean, decodeBlocked, mergeBlocked, type BlockedPartial } from '../../shared/math/blocked-partial.js';
import { mergeUp, nodeKey, rootLevel, type TreeNode } from '../../shared/math/merge-tree.js';
import { mergeSums, mergeScalars, type PosteriorScalars, type PosteriorSums } from '../../shared/math/partial-posterior.js';
import { generatePartition, generateQueries } from './backends/generated-partition.js';

const PRESENT = [0, 1, 2, 4, 5];
const SHAPE = [1, 6, 6] as const;
const D = 36;
const backend = new ReferenceBackend({ computeThreads: 2, deviceMemoryBytes: Infinity });
after(() => backend.close());
const partitions = PRESENT.map((partition) => generatePartition({ partition, rows: 40, shape: SHAPE, dtype: 'u8', seed: partition + 1 }));
await Promise.all(partitions.map((partition) => backend.load(partition)));
/** 40 rows each, in order. */
const spanOf = (partition: number) => ({ from: 40 * PRESENT.indexOf(partition), to: 40 * PRESENT.indexOf(partition) + 40 });
const queries = generateQueries(partitions[0]!, { batch: 3, seed: 7, alpha: 1, sigma: [0.2, 2, 30], proxyResolution: 3 });
const request = (body: Partial<StepRequest__Output>): StepRequest__Output => ({ stepId: 1, open: null, traceparent: '', ...body });
const SCALARS = request({
  aggregate: { stage: 'SCALARS', cuts: [], maxLogit: [], mass: [], negligibleShare: 0, histogram: false, poolShare: [], last: false },
  body: 'aggregate',
});

interface Running {
  session: StepSession;
  replies: StepReply[];
  ended: { outcome: string; code: string | undefined }[];
  rows: [string, number][];
  readonly next: (kind: keyof StepReply) => Promise<StepReply>;
}

function start(held: readonly number[], wish: { timeoutMs?: number; x?: boolean; blockRows?: number; backend?: Backend } = {}): Running {
  const opening: StepOpening = {
    partitions: held,
    xDtype: 'F64',
    batch: 3,
    rowValues: D,
    timeoutMs: wish.timeoutMs ?? 60_000,
    search: 'auto',
    blockRows: wish.blockRows ?? 0,
    queries,
  };
  const replies: StepReply[] = [];
  const ended: Running['ended'] = [];
  const rows: Running['rows'] = [];
  const session = new StepSession({
    opening,
    present: PRESENT,
    spanOf,
    backend: wish.backend ?? backend,
    shape: SHAPE,
    send: async (reply) => void replies.push(reply),
    onEnd: (outcome, failure) => ended.push({ outcome, code: failure?.code }),
    onRows: (stage, count) => rows.push([stage, count]),
  });
  if (wish.x !== false) session.handle(request({ xChunk: { data: Buffer.from(queries.x.slice().buffer) }, body: 'xChunk' }));
  const next = async (kind: keyof StepReply): Promise<StepReply> => {
    for (;;) {
      const found = replies.find((reply) => reply[kind]);
      if (found) return found;
      if (ended.length > 0) throw new Error(`ended: ${JSON.stringify(ended)}`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  return { session, replies, ended, rows, next };
}

/** Scalars and sums of the root, from workers that hold the given partitions. */
async function rootOf(placement: readonly (readonly number[])[]): Promise<{ scalars: PosteriorScalars; sums: PosteriorSums; nodes: number }> {
  const workers = placement.map((held) => start(held));
  const scalars = new Map<string, PosteriorScalars>();
  for (const worker of workers) {
    worker.session.handle(SCALARS);
    for (const node of (await worker.next('scalars')).scalars!.nodes!) {
      const array = (values: unknown): Float64Array => Float64Array.from(values as number[]);
      scalars.set(nodeKey({ level: node.level!, index: node.index! }), {
        maxLogit: array(node.maxLogit),
        mass: array(node.mass),
        massSq: array(node.massSq),
        rows: array(node.rows),
      });
    }
  }
  const root = { level: 3, index: 0 };
  const global = mergeUp(scalars, root, mergeScalars)!;
  const nothing: PosteriorSums = { queries: new Uint32Array(0), sums: new Float32Array(0) };
  const nodes = new Map<string, { scalars: PosteriorScalars; sums: PosteriorSums }>();
  scalars.forEach((value, key) => nodes.set(key, { scalars: value, sums: nothing }));
  for (const worker of workers) {
    const aggregate = {
      stage: 'SUMS' as const,
      cuts: [],
      maxLogit: [...global.maxLogit],
      mass: [...global.mass],
      negligibleShare: 2 ** -40,
      histogram: true,
      poolShare: [],
      last: true,
    };
    worker.session.handle(request({ aggregate, body: 'aggregate' }));
    const done = (await worker.next('sumsDone')).sumsDone!;
    assert.equal(done.histograms!.length, [...worker.replies].find((reply) => reply.scalars)!.scalars!.nodes!.length);
    const parts = worker.replies.flatMap((reply) => [reply.sumsPart, ...(reply.sumsDone?.parts ?? [])]);
    for (const sumsPart of parts) {
      if (!sumsPart) continue;
      const data = sumsPart.data as Buffer;
      const sums = new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
      const node = nodes.get(nodeKey({ level: sumsPart.level!, index: sumsPart.index! }))!;
      node.sums = { queries: Uint32Array.from(sumsPart.queries!), sums };
    }
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(worker.ended, [{ outcome: 'ok', code: undefined }], 'the last request ends the step without a close');
    worker.session.close();
    assert.equal(worker.ended.length, 1);
  }
  const merged = mergeUp(nodes, root, (left, right) => ({
    scalars: mergeScalars(left.scalars, right.scalars),
    sums: mergeSums(left.sums, left.scalars.maxLogit, right.sums, right.scalars.maxLogit, D),
  }))!;
  return { ...merged, nodes: scalars.size };
}

test('the root is bit-identical for every placement, and whole subtrees travel as one node', async () => {
  const whole = await rootOf([PRESENT]);
  assert.equal(whole.nodes, 1);
  assert.deepEqual([...whole.sums.queries], [0, 1, 2]);
  for (const placement of [
    [[0], [1], [2], [4], [5]],
    [
      [0, 1, 2],
      [4, 5],
    ],
    [[0, 4], [1, 5], [2]],
    [
      [1, 2, 4],
      [0, 5],
    ],
  ]) {
    const other = await rootOf(placement);
    assert.deepStrictEqual(other.scalars, whole.scalars);
    assert.deepStrictEqual(other.sums, whole.sums);
  }
});

test('a screen sends a part for every partition, then that it is done', async () => {
  const { session, replies, next } = start([0, 2]);
  session.handle(request({ screen: { stage: 'PROXY_DISTANCE', cuts: [], rankFraction: [0.5, 0.1, 0], windows: [] }, body: 'screen' }));
  assert.ok(Number((await next('screenDone')).screenDone!.computeMs) >= 0);
  const parts = replies.flatMap((reply) => (reply.screenPart ? [reply.screenPart] : []));
  assert.deepEqual(parts.map((part) => part.partition).sort(), [0, 2]);
  for (const part of parts) {
    assert.deepEqual(part.queries, [0, 1, 2]);
    assert.equal(part.count![2], 0);
    assert.equal((part.keys as Buffer).length, part.count!.reduce((sum, n) => sum + n, 0) * 8);
  }
  session.close();
});

test('sums of more than a chunk come as parts before the one that is done, small ones with it', async () => {
  const shape = [1, 256, 256] as const;
  const values = 256 * 256;
  const wide = generatePartition({ partition: 9, rows: 2, shape, dtype: 'u8', seed: 3 });
  await backend.load(wide);
  const three = generateQueries(wide, { batch: 3, seed: 7, alpha: 1, sigma: [2, 3, 30] });
  const replies: StepReply[] = [];
  const session = new StepSession({
    opening: { partitions: [9], xDtype: 'F64', batch: 3, rowValues: values, timeoutMs: 60_000, queries: three, search: 'scan', blockRows: 0 },
    present: [9],
    spanOf,
    shape,
    backend,
    send: async (reply) => void replies.push(reply),
    onEnd: () => {},
  });
  session.begin(Buffer.from(three.x.slice().buffer));
  const aggregate = {
    stage: 'SUMS' as const,
    cuts: [],
    maxLogit: [0, 0, 0],
    mass: [1e-300, 1e-300, 1e-300],
    negligibleShare: 0,
    histogram: false,
    poolShare: [],
  };
  session.handle(request({ aggregate: { ...aggregate, last: true }, body: 'aggregate' }));
  while (!replies.some((reply) => reply.sumsDone ?? reply.failure)) await new Promise((resolve) => setTimeout(resolve, 1));
  const lengths = (parts: readonly (SumsPart | null | undefined)[]): number[] => parts.map((part) => (part!.data as Buffer).length);
  // 3 queries of 64 Ki floats are three chunks; the last of them leaves no room for another.
  assert.deepEqual(lengths(replies.slice(0, -1).map((reply) => reply.sumsPart)), [DATA_PLANE_CHUNK_BYTES, DATA_PLANE_CHUNK_BYTES]);
  assert.deepEqual(lengths(replies.at(-1)!.sumsDone!.parts!), [DATA_PLANE_CHUNK_BYTES]);
});

test('each breach of the order of a step fails it once, with one sentence', async () => {
  const failing = async (running: Running, act: () => void, code: string): Promise<void> => {
    act();
    const { failure } = await running.next('failure').catch(() => running.replies.find((reply) => reply.failure)!);
    assert.equal(failure!.code, code);
    assert.ok(!failure!.message!.includes('\n'));
    assert.deepEqual(running.ended, [{ outcome: 'failed', code }]);
    running.session.handle(SCALARS);
    await new Promise((resolve) => setTimeout(resolve, 5));
    assert.equal(running.replies.filter((reply) => reply.failure).length, 1);
  };
  const short = start([0], { x: false });
  await failing(short, () => short.session.handle(SCALARS), 'TENSOR_INVALID');
  const long = start([0]);
  await failing(long, () => long.session.handle(request({ xChunk: { data: Buffer.alloc(1) }, body: 'xChunk' })), 'TENSOR_INVALID');
  const longOpen = start([0], { x: false });
  await failing(longOpen, () => longOpen.session.begin(Buffer.alloc(3 * D * 8 + 1)), 'TENSOR_INVALID');
  const both = start([0], { x: false });
  both.session.begin(Buffer.alloc(8));
  await failing(both, () => both.session.handle(request({ xChunk: { data: Buffer.alloc(3 * D * 8) }, body: 'xChunk' })), 'TENSOR_INVALID');
  const late = start([0]);
  late.session.handle(SCALARS);
  await late.next('scalars');
  await failing(late, () => late.session.handle(request({ xChunk: { data: Buffer.alloc(1) }, body: 'xChunk' })), 'ARGUMENT_INVALID');
  const eager = start([0]);
  eager.session.handle(SCALARS);
  await failing(eager, () => eager.session.handle(SCALARS), 'ARGUMENT_INVALID');
  const empty = start([0]);
  await failing(empty, () => empty.session.handle(request({})), 'ARGUMENT_INVALID');
  const foreign = start([0, 3]);
  await failing(foreign, () => foreign.session.handle(SCALARS), 'PARTITION_MISSING');
});

test('a step that is not closed in time fails with DEADLINE_EXCEEDED', async () => {
  const { ended, replies } = start([0], { timeoutMs: 10 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(ended, [{ outcome: 'failed', code: 'DEADLINE_EXCEEDED' }]);
  assert.equal(replies[0]!.failure!.code, 'DEADLINE_EXCEEDED');
});

test('closing under a request counts as cancelled and sends nothing more', async () => {
  const { session, ended, replies } = start([0, 1]);
  session.handle(SCALARS);
  session.close();
  session.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(ended, [{ outcome: 'cancelled', code: undefined }]);
  assert.deepEqual(replies, []);
});

const BLOCKS = request({
  aggregate: { stage: 'BLOCKS', cuts: [], maxLogit: [], mass: [], negligibleShare: 0, histogram: false, poolShare: [], last: true },
  body: 'aggregate',
});

test('blocks of rows: the root is bit-identical for every placement, though blocks lie across partitions', async () => {
  const roots = [];
  for (const placement of [[PRESENT], [[0], [1], [2], [4], [5]], [[0, 4], [1, 5], [2]]]) {
    const nodes = new Map<string, BlockedPartial>();
    for (const held of placement) {
      const worker = start(held, { blockRows: 33 });
      worker.session.handle(BLOCKS);
      await worker.next('groupsDone');
      for (const part of worker.replies.flatMap((reply) => reply.groupsPart ?? []))
        nodes.set(nodeKey(part as TreeNode), decodeBlocked(3, 1, D, Uint8Array.from(part.data as Buffer)));
    }
    roots.push(mergeUp(nodes, { level: rootLevel(PRESENT), index: 0 }, mergeBlocked)!);
  }
  // 200 rows in blocks of 33 are 7.
  assert.deepEqual([...blockedMean(roots[0]!).blocks], [7, 7, 7]);
  for (const root of roots.slice(1)) assert.deepStrictEqual(root, roots[0]);
});

test('a step of blocks goes with its screens to other threads where the backend takes no candidates', async () => {
  const inner = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
  Object.defineProperty(inner, 'takesCandidates', { value: false });
  inner.openStep = () => assert.fail('whoever sums the rows inside a cut must have ranked them');
  const whole = new EquivariantThreads(inner, 1, pino({ level: 'silent' }));
  try {
    await whole.load(partitions[0]!);
    const { session, next } = start([0], { blockRows: 33, backend: whole });
    const screen = { stage: 'PROXY_DISTANCE' as const, cuts: [], rankFraction: [0.5, 0.5, 0.5], windows: [] };
    session.handle(request({ screen, body: 'screen' }));
    await next('screenDone');
    await new Promise((resolve) => setImmediate(resolve));
    session.handle(BLOCKS);
    await next('groupsDone');
  } finally {
    await whole.close();
  }
});

test('a step that is closed among its blocks ends them, and asks for no more', async () => {
  const { session, ended, replies } = start([0, 1], { blockRows: 1 });
  session.handle(BLOCKS);
  await new Promise((resolve) => setImmediate(resolve));
  session.close();
  assert.deepEqual(ended, [{ outcome: 'cancelled', code: undefined }]);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(replies.every((reply) => !reply.groupsDone));
  assert.equal(backend.stepStateBytes, 0);
});

test('rows are counted once for each partition, stage and set of cuts, whatever is asked of them', async () => {
  const { session, replies, rows, next } = start([0, 1]);
  const screen = (ranks: object): StepRequest__Output =>
    request({ screen: { stage: 'PROXY_DISTANCE', cuts: [], rankFraction: [], windows: [], ...ranks }, body: 'screen' });
  session.handle(screen({ rankFraction: [0.5, 0.5, 0.5] }));
  const first = await next('screenDone');
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(rows, [
    ['proxy', 120],
    ['proxy', 120],
  ]);
  replies.splice(replies.indexOf(first), 1);
  session.handle(screen({ windows: [{ partition: 1, query: 0, firstRank: 3, count: 4 }] }));
  await next('screenDone');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(rows.length, 2, 'a later round has other ranks of the same keys');
  session.handle(SCALARS);
  const { nodes } = (await next('scalars')).scalars!;
  assert.deepEqual(rows.slice(2), [
    ['sums', 120],
    ['sums', 120],
  ]);
  const seen = nodes!.flatMap((node) => node.rows as number[]);
  assert.equal(
    seen.reduce((sum, n) => sum + n, 0),
    240,
  );
  await new Promise((resolve) => setImmediate(resolve));
  session.handle(SCALARS);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(rows.length, 4, 'the same cuts again are answered from what is kept');
  session.close();
});
