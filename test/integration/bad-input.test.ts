/** Bad requests to a real cluster: each gets one sentence and the right status, and the server goes on. */

import assert from 'node:assert/strict';
import { credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { after, before, test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import type { ScoreRequest } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse__Output } from '../../proto/generated/golddiff/v1/ScoreResponse.js';
import type { SampleRequest } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import { BATCH_ROWS_MAX, PUBLIC_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { channelOptions } from '../../shared/rpc/channel.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { fromServiceError } from '../../shared/rpc/status.js';
import { importMnist } from '../support/data-sets.js';

const ROWS = 300;
const DIM = 784;

let cluster: EmbeddedCluster;
let client: GolddiffClient;
let scores: InstanceType<typeof protoPackage.ScoreService>;
let sampling: InstanceType<typeof protoPackage.SamplingService>;

before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, ROWS, 4), shards: 2 });
  client = connect(cluster.endpoint);
  const channel = channelOptions({ messageBytesMax: PUBLIC_MESSAGE_BYTES_MAX * 2 });
  scores = new protoPackage.ScoreService(cluster.endpoint, credentials.createInsecure(), channel);
  sampling = new protoPackage.SamplingService(cluster.endpoint, credentials.createInsecure(), channel);
});
after(async () => {
  client?.close();
  scores?.close();
  sampling?.close();
  await cluster?.stop();
});

const floats = (count: number, value = 0.25): Buffer => Buffer.from(new Float32Array(count).fill(value).buffer);
const good = (): ScoreRequest => ({ x: { dtype: 'F32', shape: [2, DIM], data: floats(2 * DIM) }, timesteps: { schedule: 'DDPM_LINEAR', t: [300] } });

function score(request: ScoreRequest, deadlineMs = 30_000): Promise<ScoreResponse__Output> {
  return new Promise((resolve, reject) => {
    scores.score(request, new Metadata(), { deadline: Date.now() + deadlineMs }, (error, response) => (error ? reject(error) : resolve(response!)));
  });
}

function sample(request: SampleRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = sampling.sample(request);
    call.on('data', () => {});
    call.on('error', reject);
    call.on('end', resolve);
  });
}

/** The failure's status, details that restore our error, one sentence that says what was expected; and the next good request succeeds. */
async function refused(call: Promise<unknown>, code: status, pattern: RegExp): Promise<void> {
  const error = await call.then(
    () => assert.fail('the call succeeded'),
    (e: unknown) => e as ServiceError,
  );
  assert.equal(status[error.code], status[code], error.message);
  const own = fromServiceError(error);
  assert.match(own.message, pattern);
  assert.ok(own.message.length < 300 && !own.message.includes('\n') && !/\bat .*:\d+:\d+/.test(own.message), own.message);
  const after = await score(good());
  assert.equal(after.x0hat!.data.length, 2 * DIM * 4);
}

const INVALID = status.INVALID_ARGUMENT;
const withX = (x: ScoreRequest['x']): ScoreRequest => ({ ...good(), x: x! });
const nan = new Float32Array(2 * DIM);
nan[DIM + 5] = NaN;
const inf = new Float32Array(2 * DIM);
inf[3] = -Infinity;

const SCORE_CASES: [string, () => ScoreRequest, status, RegExp][] = [
  ['wrong D', () => withX({ dtype: 'F32', shape: [2, 783], data: floats(2 * 783) }), INVALID, /Expected .*784.* for x\.shape\[1\] but received 783/],
  ['wrong image shape', () => withX({ dtype: 'F32', shape: [2, 3, 16, 16], data: floats(2 * 768) }), INVALID, /x\.shape/],
  ['wrong rank', () => withX({ dtype: 'F32', shape: [DIM], data: floats(DIM) }), INVALID, /x\.shape/],
  ['wrong dtype', () => withX({ dtype: 'U8', shape: [2, DIM], data: Buffer.alloc(2 * DIM) }), INVALID, /Expected .* for x\.dtype but received "?U8/],
  ['no dtype', () => withX({ shape: [2, DIM], data: floats(2 * DIM) }), INVALID, /x\.dtype/],
  [
    'byte count off by one',
    () => withX({ dtype: 'F32', shape: [2, DIM], data: floats(2 * DIM).subarray(1) }),
    INVALID,
    /Expected 6272 bytes .*for x\.data but received 6271/,
  ],
  ['no x', () => ({ timesteps: { t: [1] } }), INVALID, /for x\b/],
  ['NaN', () => withX({ dtype: 'F32', shape: [2, DIM], data: Buffer.from(nan.buffer) }), INVALID, /x\[1\]/],
  ['Inf', () => withX({ dtype: 'F32', shape: [2, DIM], data: Buffer.from(inf.buffer) }), INVALID, /x\[0\]/],
  [
    'a value whose square overflows',
    () => withX({ dtype: 'F64', shape: [1, DIM], data: Buffer.from(new Float64Array(DIM).fill(1e200).buffer) }),
    INVALID,
    /x\[0\]/,
  ],
  ['B = 0', () => withX({ dtype: 'F32', shape: [0, DIM], data: Buffer.alloc(0) }), INVALID, /x\.shape\[0\]/],
  [
    'B over the limit',
    () => withX({ dtype: 'F32', shape: [BATCH_ROWS_MAX + 1, DIM], data: floats((BATCH_ROWS_MAX + 1) * DIM) }),
    INVALID,
    /256.* for x\.shape\[0\] but received 257/,
  ],
  ['sigma = 0', () => ({ x: good().x!, levels: { alpha: [1], sigma: [0] } }), INVALID, /levels\.sigma.* but received 0/],
  ['sigma < 0', () => ({ x: good().x!, levels: { alpha: [1], sigma: [1, -1] } }), INVALID, /levels\.sigma\[1\].* but received -1/],
  ['sigma NaN', () => ({ x: good().x!, levels: { alpha: [1], sigma: [NaN] } }), INVALID, /levels\.sigma/],
  ['sigma so small that its square is 0', () => ({ x: good().x!, levels: { alpha: [1], sigma: [1e-200] } }), INVALID, /levels\.sigma/],
  ['alpha <= 0', () => ({ x: good().x!, levels: { alpha: [0], sigma: [1] } }), INVALID, /levels\.alpha/],
  ['three levels for two queries', () => ({ x: good().x!, levels: { alpha: [1, 1, 1], sigma: [1] } }), INVALID, /levels\.alpha/],
  [
    't out of range',
    () => ({ ...good(), timesteps: { t: [1000] } }),
    INVALID,
    /Expected an integer in 0\.\.999 for timesteps\.t.* but received 1000/,
  ],
  ['no t', () => ({ ...good(), timesteps: {} }), INVALID, /timesteps\.t/],
  ['no noise level', () => ({ x: good().x! }), INVALID, /timesteps|levels/],
  ['k > N', () => ({ ...good(), retrieval: { kind: 'GOLDEN', kMax: ROWS + 1 } }), INVALID, /retrieval\.k_max but received 301/],
  ['fixed k > N', () => ({ ...good(), retrieval: { kind: 'GOLDEN', kFixed: 4000 } }), INVALID, /retrieval\.k_fixed but received 4000/],
  ['k_min > k_max', () => ({ ...good(), retrieval: { kind: 'GOLDEN', kMin: 20, kMax: 10 } }), INVALID, /retrieval\.k_min/],
  ['pool below the subset', () => ({ ...good(), retrieval: { kind: 'GOLDEN', kMax: 20, candidatePool: 5 } }), INVALID, /retrieval\.candidate_pool/],
  [
    'a tolerance of all the mass',
    () => ({ ...good(), retrieval: { kind: 'EXACT_SCAN', tolerance: 1 } }),
    INVALID,
    /retrieval\.tolerance but received 1/,
  ],
  ['a tolerance of a golden subset', () => ({ ...good(), retrieval: { kind: 'GOLDEN', tolerance: 0.1 } }), INVALID, /retrieval\.tolerance/],
  [
    'a proxy resolution that does not divide',
    () => ({ ...good(), retrieval: { kind: 'GOLDEN', proxyResolution: 9 } }),
    INVALID,
    /retrieval\.proxy_resolution but received 9/,
  ],
  ['unknown data set', () => ({ ...good(), dataSet: 'cifar99' }), status.NOT_FOUND, /cifar99/],
  ['a label nobody has', () => ({ ...good(), labels: [3, 77] }), INVALID, /labels\[1\].* but received 77/],
  ['three labels for two queries', () => ({ ...good(), labels: [1, 2, 3] }), INVALID, /labels/],
  ['a negative temperature', () => ({ ...good(), temperature: -1 }), INVALID, /temperature but received -1/],
  [
    'a mask threshold above 1',
    () => ({ ...good(), denoiser: 'PCA', denoiserSettings: { maskThreshold: 1.5 } }),
    INVALID,
    /mask_threshold but received 1\.5/,
  ],
  ['an even patch', () => ({ ...good(), denoiser: 'PATCH', denoiserSettings: { patchSize: 4 } }), INVALID, /patch_size but received 4/],
  ['a setting of another denoiser', () => ({ ...good(), denoiser: 'PATCH', denoiserSettings: { maskThreshold: 0.1 } }), INVALID, /0 with PATCH/],
  ['a golden subset of wiener', () => ({ ...good(), denoiser: 'WIENER', retrieval: { kind: 'GOLDEN' } }), INVALID, /retrieval\.kind/],
  [
    'pca without noise',
    () => ({ ...good(), denoiser: 'PCA', timesteps: null, levels: { alpha: [1], sigma: [1, 1e-7] } }),
    INVALID,
    /sigma\[1\] but received 1e-7/,
  ],
  ['a denoiser of another release', () => ({ ...good(), denoiser: 77 as never }), INVALID, /denoiser but received 77/],
];

for (const [name, request, code, pattern] of SCORE_CASES) {
  test(`Score refuses ${name} with ${status[code]} and goes on`, () => refused(score(request()), code, pattern));
}

const SAMPLE_CASES: [string, SampleRequest, status, RegExp][] = [
  ['count 0', { count: 0 }, INVALID, /count but received 0/],
  ['too many images', { count: 70_000 }, INVALID, /count but received 70000/],
  ['too many steps', { count: 1, steps: 1001 }, INVALID, /steps but received 1001/],
  ['eta over 1', { count: 1, eta: 1.5 }, INVALID, /eta but received 1\.5/],
  ['noise of another shape', { count: 2, initialNoise: { dtype: 'F32', shape: [2, 10], data: floats(20) } }, INVALID, /initial_noise\.shape\[1\]/],
  ['a batch over the limit', { count: 1, batchRows: 257 }, INVALID, /batch_rows but received 257/],
  ['labels of another length', { count: 3, labels: [1, 2] }, INVALID, /labels/],
  ['an unknown data set', { count: 1, dataSet: 'none' }, status.NOT_FOUND, /none/],
  ['k > N', { count: 1, retrieval: { kind: 'GOLDEN', kMax: 301 } }, INVALID, /retrieval\.k_max/],
  ['a setting of another denoiser', { count: 1, denoiserSettings: { patchSize: 3 } }, INVALID, /patch_size but received 3/],
  ['a temperature of wiener', { count: 1, denoiser: 'WIENER', temperature: 2 }, INVALID, /temperature/],
];

for (const [name, request, code, pattern] of SAMPLE_CASES) {
  test(`Sample refuses ${name} with ${status[code]} and goes on`, () => refused(sample(request), code, pattern));
}

test('a message over the limit is RESOURCE_EXHAUSTED and the server goes on', async () => {
  const data = Buffer.alloc(PUBLIC_MESSAGE_BYTES_MAX + 1);
  const error = await score(withX({ dtype: 'F32', shape: [2, DIM], data })).then(
    () => assert.fail('the call succeeded'),
    (e: unknown) => e as ServiceError,
  );
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  await score(good());
});

test('a deadline of 1 ms is DEADLINE_EXCEEDED and the server goes on', async () => {
  const x = withX({ dtype: 'F32', shape: [64, DIM], data: floats(64 * DIM) });
  const error = await score(x, 1).then(
    () => assert.fail('the call succeeded'),
    (e: unknown) => e as ServiceError,
  );
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
  await score(good());
});

test('on a ScoreStream a bad batch is answered by its failure and the next one by its answer', async () => {
  const call = scores.scoreStream();
  const answers: { id: number; failure?: { code: number; message: string } | null; response?: ScoreResponse__Output | null }[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    call.on('data', (message: (typeof answers)[number]) => answers.push(message));
    call.on('end', resolve);
    call.on('error', reject);
  });
  call.write({ id: 1, request: good() });
  call.write({ id: 2, request: withX({ dtype: 'F32', shape: [2, 783], data: floats(2 * 783) }) });
  call.write({ id: 3, request: good() });
  call.end();
  await ended;
  assert.deepEqual(
    answers.map((a) => a.id),
    [1, 2, 3],
  );
  assert.equal(answers[1]!.failure!.code, status.INVALID_ARGUMENT);
  assert.match(answers[1]!.failure!.message, /x\.shape\[1\]/);
  assert.deepEqual(answers[0]!.response!.x0hat!.data, answers[2]!.response!.x0hat!.data);
});

test('a client that vanishes mid-stream leaves no work behind', async () => {
  for (const vanish of ['cancel', 'close'] as const) {
    const connection = new protoPackage.SamplingService(cluster.endpoint, credentials.createInsecure());
    const call = connection.sample({ count: 512, steps: 1000, batchRows: 8 });
    call.on('error', () => {});
    await new Promise((resolve) => call.once('data', resolve));
    if (vanish === 'cancel') call.cancel();
    else {
      connection.close();
      call.cancel();
    }
  }
  // All places are free again: as many requests as may run at once are answered at once.
  const answers = await Promise.all(Array.from({ length: 8 }, () => score(good(), 10_000)));
  assert.equal(answers.length, 8);
  assert.equal(await client.health(), 'SERVING');
});
