import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, test } from 'node:test';
import { pino } from 'pino';
import type { StepRequest__Output } from '../../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse } from '../../proto/generated/golddiff/v1/StepResponse.js';
import { ReferenceBackend } from '../../shard-worker/backends/reference/reference-backend.js';
import { PartitionStore } from '../../shard-worker/partition-store.js';
import { StepAdmission } from '../../shard-worker/step-admission.js';
import { SupportStore } from '../../shard-worker/support-store.js';
import { StepStream } from '../../shard-worker/step-stream.js';
import { openDataSet } from '../../shared/dataset/data-set.js';
import { createMetrics } from '../../shared/metrics.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';

const { dir, manifest } = await writeSmallDataSet({ shape: [1, 1, 2], values: Uint8Array.of(0, 1, 2, 3, 4, 5), partitions: [[0, 1, 2]] });
const backend = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
const log = pino({ level: 'silent' });
const store = new PartitionStore({ dataSets: [await openDataSet(dir)], backend, deviceMemoryBytes: Infinity, log });
await store.assign({ dataSet: 'small', contentHash: manifest.contentHash, epoch: 1, partitions: [0] });
after(async () => {
  await backend.close();
  await rm(dir, { recursive: true, force: true });
});

type Body = Partial<StepRequest__Output>;
const OPEN: Body = {
  open: {
    requestId: 'r',
    dataSet: 'small',
    epoch: 1,
    partitions: [0],
    xDtype: 'F32',
    batchRows: 1,
    rowValues: 2,
    alpha: [1],
    sigma: [1],
    temperature: 1,
    labels: [],
    proxyResolution: 0,
    presampleSeed: 0,
    presampleStep: 0,
    queryIds: [],
    timeoutMs: 10_000,
    search: 'SEARCH_UNSPECIFIED',
    tolerance: 0,
    blockRows: 0,
    precisions: [],
    precisionOf: [],
    x: Buffer.alloc(0),
  },
};
const X: Body = { xChunk: { data: Buffer.alloc(8) }, body: 'xChunk' };
const SCALARS: Body = {
  aggregate: { stage: 'SCALARS', cuts: [], maxLogit: [], mass: [], negligibleShare: 0, histogram: false, poolShare: [], last: false },
  body: 'aggregate',
};
const SUMS: Body = {
  aggregate: { stage: 'SUMS', cuts: [], maxLogit: [0], mass: [1], negligibleShare: 0, histogram: false, poolShare: [], last: false },
  body: 'aggregate',
};
const CLOSE: Body = { close: {}, body: 'close' };

/** All of x with the open, and the first request beside it. */
const openWith = (x: Buffer, body: Body = SCALARS): Body => ({ open: { ...OPEN.open!, x }, ...body });

/** A stream whose requests are pushed by hand. */
class Driven {
  readonly responses: StepResponse[] = [];
  readonly draining = new AbortController();
  readonly metrics = createMetrics('shard-worker');
  readonly served: Promise<void>;
  /** while set, the peer does not read */
  hold: Promise<void> | undefined;
  #waiting: StepRequest__Output[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  constructor(readonly admission = new StepAdmission(4, 2 ** 20)) {
    const write = async (response: StepResponse): Promise<void> => {
      await this.hold;
      this.responses.push(response);
    };
    const stream = new StepStream({
      store,
      backend,
      supports: new SupportStore(),
      admission,
      metrics: this.metrics,
      log,
      write,
      draining: this.draining.signal,
    });
    this.served = stream.serve(this.#requests());
  }
  send(stepId: number, ...bodies: Body[]): void {
    this.#waiting.push(...bodies.map((body) => ({ stepId, open: null, traceparent: '', ...body })));
    this.#wake?.();
  }
  end(): Promise<void> {
    this.#ended = true;
    this.#wake?.();
    return this.served;
  }
  /** Waits until the steps named have answered with scalars, and a little longer for what should not come. */
  async settled(...answered: number[]): Promise<void> {
    const missing = (): boolean => answered.some((id) => !this.responses.some((response) => response.stepId === id && response.scalars));
    for (let waits = 0; waits < 500 && missing(); waits++) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(missing(), false, `steps ${answered.join()} answer`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  failures(stepId: number): (string | undefined)[] {
    return this.responses.flatMap((response) => (response.stepId === stepId && response.failure ? [response.failure.code] : []));
  }
  async *#requests(): AsyncGenerator<StepRequest__Output> {
    for (;;) {
      const next = this.#waiting.shift();
      if (next) yield next;
      else if (this.#ended) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

test('each malformed sequence gets one clear failure and the stream goes on', async () => {
  const stream = new Driven();
  stream.send(1, SUMS, SCALARS, X);
  stream.send(2, OPEN, SCALARS, SCALARS);
  stream.send(3, OPEN, X, X, SCALARS);
  stream.send(4, { open: { ...OPEN.open!, batchRows: 300 } }, X, SCALARS);
  stream.send(5, OPEN, OPEN, X);
  stream.send(6, { open: { ...OPEN.open!, dataSet: 'nobody' } }, X);
  stream.send(7, OPEN, { xChunk: { data: Buffer.from(Float32Array.of(1, NaN).buffer) }, body: 'xChunk' }, SCALARS);
  stream.send(8, CLOSE);
  stream.send(9, OPEN, X, SCALARS);
  await stream.settled(9);
  const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => stream.failures(id).join());
  assert.deepEqual(codes, [
    'ARGUMENT_INVALID',
    'TENSOR_INVALID',
    'TENSOR_INVALID',
    'ARGUMENT_INVALID',
    'ARGUMENT_INVALID',
    'DATA_SET_UNKNOWN',
    'TENSOR_INVALID',
    '',
    '',
  ]);
  assert.equal(stream.admission.openSteps, 1);
  await stream.end();
  assert.equal(stream.admission.openSteps, 0);
});

test('x and the first request may come with the open, and what is wrong there fails the step once', async () => {
  const stream = new Driven();
  const [x, half, long, nan] = [Buffer.alloc(8), Buffer.alloc(4), Buffer.alloc(9), Buffer.from(Float32Array.of(1, NaN).buffer)];
  stream.send(1, openWith(x));
  stream.send(2, openWith(half, { xChunk: { data: half }, body: 'xChunk' }), SCALARS);
  stream.send(3, openWith(half));
  stream.send(4, openWith(long), CLOSE);
  stream.send(5, openWith(half, X), SCALARS);
  stream.send(6, openWith(nan), SCALARS);
  stream.send(7, openWith(x, X));
  stream.send(8, openWith(x), openWith(x));
  stream.send(9, openWith(x, CLOSE));
  stream.send(10, { open: { ...OPEN.open!, x, dataSet: 'nobody' }, ...SCALARS });
  await stream.settled(1, 2);
  const codes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((id) => stream.failures(id).join());
  const invalid = 'TENSOR_INVALID';
  assert.deepEqual(codes, ['', '', invalid, invalid, invalid, invalid, invalid, 'ARGUMENT_INVALID', '', 'DATA_SET_UNKNOWN']);
  assert.equal(stream.admission.openSteps, 2);
  const shown = async (): Promise<unknown[]> => {
    const { openSteps, openStepBytes } = stream.metrics;
    return [(await openSteps.get()).values[0]!.value, (await openStepBytes.get()).values[0]!.value];
  };
  assert.deepEqual(await shown(), [2, stream.admission.openBytes]);
  assert.ok(stream.admission.openBytes > 0);
  await stream.end();
  assert.deepEqual(await shown(), [0, 0]);
});

test('a step ends with the answer to its last request, once the peer has taken it', async () => {
  const stream = new Driven();
  const last: Body = { aggregate: { ...SCALARS.aggregate!, last: true }, body: 'aggregate' };
  stream.send(1, openWith(Buffer.alloc(8), last));
  await stream.settled(1);
  assert.equal(stream.admission.openSteps, 0);
  let release = (): void => {};
  stream.hold = new Promise((resolve) => (release = resolve));
  stream.send(2, openWith(Buffer.alloc(8), last));
  await stream.settled();
  assert.equal(stream.admission.openSteps, 1, 'answers that nobody reads keep their place');
  release();
  await stream.settled(2);
  assert.equal(stream.admission.openSteps, 0);
  stream.send(2, SUMS);
  await stream.settled();
  assert.deepEqual(stream.failures(2), ['ARGUMENT_INVALID'], 'nothing may follow the last request');
  await stream.end();
});

test('steps beyond the bound are told when to come again, and find a place once others have closed', async () => {
  const stream = new Driven(new StepAdmission(2, 2 ** 20));
  stream.send(1, OPEN, X);
  stream.send(2, OPEN, X);
  stream.send(3, OPEN, X, SCALARS, CLOSE);
  stream.send(1, CLOSE);
  stream.send(4, OPEN, X, SCALARS);
  await stream.settled(4);
  assert.deepEqual(stream.failures(3), ['QUEUE_FULL']);
  assert.ok(stream.responses.find((response) => response.stepId === 3)!.failure!.retryAfterMs! > 0);
  await stream.end();
});

test('a draining worker opens no steps, finishes those it has and then ends the stream', async () => {
  const stream = new Driven();
  stream.send(1, OPEN, X);
  await stream.settled();
  stream.draining.abort();
  stream.send(2, OPEN);
  stream.send(1, SCALARS);
  await stream.settled(1);
  assert.deepEqual(stream.failures(2), ['DRAINING']);
  stream.send(1, CLOSE);
  await stream.served;
  const idle = new Driven();
  idle.draining.abort();
  await idle.served;
});

test('a peer that does not read holds the replies back, one at a time', async () => {
  const stream = new Driven();
  let release = (): void => {};
  stream.hold = new Promise((resolve) => (release = resolve));
  for (const id of [1, 2, 3]) stream.send(id, OPEN, X, SCALARS);
  await stream.settled();
  assert.equal(stream.responses.length, 0);
  release();
  await stream.settled(1, 2, 3);
  assert.equal(stream.responses.filter((response) => response.scalars).length, 3);
  await stream.end();
});

test('outcomes are counted', async () => {
  const stream = new Driven();
  stream.send(1, OPEN, X, SCALARS);
  await stream.settled(1);
  stream.send(1, CLOSE);
  stream.send(2, OPEN, SCALARS);
  stream.send(3, SUMS);
  stream.send(4, OPEN, X, SCALARS, CLOSE);
  await stream.settled();
  const { values } = await stream.metrics.steps.get();
  assert.deepEqual(Object.fromEntries(values.map((v) => [v.labels.outcome, v.value])), { ok: 1, failed: 2, cancelled: 1 });
  const received = await stream.metrics.dataPlaneBytes.get();
  assert.equal(received.values.find((v) => v.labels.direction === 'received')!.value, 16);
  await stream.end();
});
