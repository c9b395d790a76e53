import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepResponse__Output } from '../../proto/generated/golddiff/v1/StepResponse.js';
import type { LinkedStep, StepBody } from '../../coordinator/worker-link.js';
import { WorkerStep } from '../../coordinator/worker-step.js';
import { DATA_PLANE_CHUNK_BYTES, HISTOGRAM_BINS } from '../../shared/limits.js';
import { blockedLeaf, encodeBlocked } from '../../shared/math/blocked-partial.js';
import { emptyGroupedPartial } from '../../shared/math/grouped-partial.js';
import { emptyScalars } from '../../shared/math/partial-posterior.js';

type Reply = Partial<Record<'screenPart' | 'screenDone' | 'scalars' | 'sumsPart' | 'sumsDone' | 'groupsPart' | 'groupsDone' | 'failure', unknown>>;

/** A step whose worker has said in advance what it will answer. */
function step(replies: Reply[], partitions = [0, 1], batch = 1, dim = 2) {
  const ends: string[] = [];
  const sent: StepBody[] = [];
  const bytes: Record<string, number> = { sent: 0, received: 0 };
  const linked: LinkedStep = {
    send: async (body) => void sent.push(body),
    next: async () => ({ stepId: 1, ...replies.shift() }) as StepResponse__Output,
    close: () => void ends.push('closed'),
    end: () => void ends.push('ended'),
  };
  const countBytes = (direction: string, n: number): void => void (bytes[direction]! += n);
  return { worker: new WorkerStep('w', partitions, linked, { batch, dim, present: [0, 1, 2], countBytes }), sent, bytes, ends };
}
const f64 = (...values: number[]): Buffer => Buffer.from(Float64Array.from(values).buffer);
const u32 = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
const f32 = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer);
const node = (level: number, index: number) => ({ level, index, maxLogit: [-1], mass: [2], massSq: [2], rows: [2] });

const bytesIn = (data: unknown): number => (data as Uint8Array).length;

test('queries of more than a chunk are sent at once, the first piece with the open', async () => {
  const { worker, sent, bytes } = step([]);
  await worker.open({ dataSet: 'd' }, new Uint8Array(DATA_PLANE_CHUNK_BYTES * 2 + 1));
  assert.deepEqual(sent[0]!.open!.partitions, [0, 1]);
  assert.equal(bytesIn(sent[0]!.open!.x), DATA_PLANE_CHUNK_BYTES);
  assert.deepEqual(
    sent.slice(1).map((body) => bytesIn(body.xChunk!.data)),
    [DATA_PLANE_CHUNK_BYTES, 1],
  );
  assert.equal(bytes['sent'], DATA_PLANE_CHUNK_BYTES * 2 + 1);
});

test('queries of one chunk travel with the first request, and with no other', async () => {
  const scalars = { scalars: { nodes: [node(1, 0)], computeMs: 1 } };
  const { worker, sent } = step([scalars, scalars]);
  await worker.open({ dataSet: 'd' }, new Uint8Array(DATA_PLANE_CHUNK_BYTES));
  assert.equal(sent.length, 0);
  await worker.scalars([]);
  await worker.scalars([]);
  assert.equal(sent.length, 2);
  assert.equal(bytesIn(sent[0]!.open!.x), DATA_PLANE_CHUNK_BYTES);
  assert.equal(sent[0]!.aggregate!.stage, 'SCALARS');
  assert.equal(sent[1]!.open, undefined);
});

test('keys are read until the screen is done', async () => {
  const part = { partition: 1, queries: [0], eligible: [9], firstRank: [3], count: [2], keys: f64(0.5, 0.75), rowIds: u32(8, 4) };
  const { worker } = step([{ screenPart: part }, { screenDone: { computeMs: 3 } }]);
  const [keys] = await worker.screen('FULL_DISTANCE', [], { fractions: Float64Array.of(0.5) });
  assert.deepEqual([...keys!.keys], [0.5, 0.75]);
  assert.deepEqual([...keys!.rowIds], [8, 4]);
  assert.equal(worker.computeMs, 3);
});

test('keys that do not have the lengths that they say are a broken protocol', async () => {
  const part = { partition: 1, queries: [0], eligible: [9], firstRank: [3], count: [3], keys: f64(0.5), rowIds: u32(8) };
  await assert.rejects(step([{ screenPart: part }]).worker.screen('FULL_DISTANCE', [], { windows: [] }), {
    code: 'INTERNAL',
    message: /partition 1/,
  });
});

test('scalars must cover the partitions of the worker once each', async () => {
  const good = await step([{ scalars: { nodes: [node(1, 0)], computeMs: 1 } }]).worker.scalars([]);
  assert.deepEqual([...good.keys()], ['1:0']);
  for (const nodes of [[node(0, 0)], [node(1, 0), node(0, 1)], [node(1, 0), node(0, 2)], [{ ...node(1, 0), mass: [] }]]) {
    await assert.rejects(step([{ scalars: { nodes, computeMs: 1 } }]).worker.scalars([]), { code: 'INTERNAL' });
  }
});

test('sums come in pieces of any length and several nodes', async () => {
  const data = f32(1, 2);
  const parts = [
    { level: 0, index: 0, queries: [], data: data.subarray(3, 7) },
    { level: 0, index: 0, queries: [], data: data.subarray(7) },
  ];
  const { worker, sent, ends } = step([
    { sumsPart: { level: 0, index: 0, queries: [0], data: data.subarray(0, 3) } },
    { sumsPart: { level: 0, index: 1, queries: [0], data: f32(3, 4) } },
    { sumsDone: { skippedShare: [0.5], histograms: [], computeMs: 2, parts } },
  ]);
  const { sums, skippedShare } = await worker.sums([], emptyScalars(1), false);
  assert.deepEqual([...sums.get('0:0')!.sums], [1, 2]);
  assert.deepEqual([...sums.get('0:1')!.sums], [3, 4]);
  assert.deepEqual(skippedShare, [0.5]);
  assert.equal(sent[0]!.aggregate!.last, true);
  assert.deepEqual(ends, ['ended'], 'sums are the last request of a step, and the worker was told so');
});

test('sums that are too long or end early, and histograms of another size, are a broken protocol', async () => {
  const done = { sumsDone: { skippedShare: [0], histograms: [], computeMs: 0, parts: [] as object[] } };
  const part = (data: Buffer) => ({ sumsPart: { level: 0, index: 0, queries: [0], data } });
  await assert.rejects(step([part(f32(1, 2, 3))]).worker.sums([], emptyScalars(1), false), { code: 'INTERNAL', message: /longer/ });
  await assert.rejects(step([part(f32(1)), done]).worker.sums([], emptyScalars(1), false), { code: 'INTERNAL', message: /end after 4 of 8/ });
  const parts = [part(f32(1)).sumsPart, part(f32(1, 2)).sumsPart];
  const long = step([{ sumsDone: { ...done.sumsDone, parts } }]).worker.sums([], emptyScalars(1), false);
  await assert.rejects(long, { code: 'INTERNAL', message: /longer/ });
  const histograms = [{ level: 0, index: 0, rows: u32(1), mass: f64(1) }];
  await assert.rejects(step([{ sumsDone: { ...done.sumsDone, histograms } }]).worker.sums([], emptyScalars(1), true), { code: 'INTERNAL' });
  const whole = [{ level: 0, index: 0, rows: Buffer.alloc(4 * HISTOGRAM_BINS), mass: Buffer.alloc(8 * HISTOGRAM_BINS) }];
  const { histograms: read } = await step([{ sumsDone: { ...done.sumsDone, histograms: whole } }]).worker.sums([], emptyScalars(1), true);
  assert.equal(read.get('0:0')!.rows.length, HISTOGRAM_BINS);
});

test('a failure of the worker keeps its code, and an answer out of turn is a broken protocol', async () => {
  const failure = { code: 'EPOCH_STALE', message: 'moved', partitions: [1], retryAfterMs: 0 };
  await assert.rejects(step([{ failure }]).worker.scalars([]), { code: 'EPOCH_STALE', message: 'moved' });
  await assert.rejects(step([{ failure: { ...failure, code: 'SURPRISE' } }]).worker.scalars([]), { code: 'INTERNAL', message: 'moved' });
  await assert.rejects(step([{ screenDone: { computeMs: 0 } }]).worker.scalars([]), { code: 'INTERNAL', message: /out of turn/ });
});

test('blocks come in pieces as groups do, and end the step', async () => {
  const partial = emptyGroupedPartial(1, 1, 2);
  partial.rows[0] = 3;
  const leaf = blockedLeaf([{ block: 4, partial }]);
  const data = Buffer.from(encodeBlocked(leaf));
  const parts = [data.subarray(0, 9), data.subarray(9)].map((piece) => ({ groupsPart: { level: 1, index: 0, rows: [], data: piece } }));
  const { worker, sent, ends } = step([...parts, { groupsDone: { computeMs: 2 } }]);
  assert.deepEqual((await worker.blocks([], 1)).get('1:0'), leaf);
  assert.deepEqual([sent[0]!.aggregate!.stage, sent[0]!.aggregate!.last, ends], ['BLOCKS', true, ['ended']]);
  await assert.rejects(step([parts[0]!, { groupsDone: { computeMs: 0 } }]).worker.blocks([], 1), { code: 'INTERNAL', message: /end after 9/ });
});
