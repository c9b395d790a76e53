import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SampleEvent__Output } from '../../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { floatsOf, runCoordinator } from './running-coordinator.js';
import { randomDataSet } from './test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });
const D = 16;

/** [count, D] of all images in order of their number. */
function imagesOf(events: readonly SampleEvent__Output[]): number[] {
  const pieces = events.flatMap((event) => (event.images ? [event.images] : []));
  return pieces.sort((a, b) => a.firstSample - b.firstSample).flatMap((piece) => [...floatsOf(piece.images!.data)]);
}

test('a run sends progress of every evaluation, previews, every image once and a summary', async (t) => {
  const { sample } = await runCoordinator(t, data);
  const events = await sample({ count: 5, steps: 4, batchRows: 3, seed: 9, previewEvery: 2, previewCount: 4, returnMassRows: true });
  const progress = events.flatMap((event) => (event.progress ? [event.progress] : []));
  assert.deepEqual(
    progress.map((p) => [p.firstSample, p.batchRows, p.step]),
    [0, 3].flatMap((from) => [1, 2, 3, 4].map((step) => [from, from === 0 ? 3 : 2, step])),
  );
  assert.deepEqual(
    progress.map((p) => p.evaluationsDone),
    [3, 6, 9, 12, 14, 16, 18, 20],
  );
  assert.ok(progress.every((p) => p.evaluationsTotal === 20 && p.coverage!.fraction === 1 && p.massRows!.rows50.length === p.batchRows));
  assert.deepEqual(
    progress.slice(0, 4).map((p) => p.t),
    [750, 500, 250, 0],
  );
  const previews = events.flatMap((event) => (event.preview ? [event.preview] : []));
  assert.deepEqual(
    previews.map((p) => [p.firstSample, p.step, p.x0hat!.shape[0]]),
    [
      [0, 1, 3],
      [0, 3, 3],
      [0, 4, 3],
      [3, 1, 1],
      [3, 3, 1],
      [3, 4, 1],
    ],
  );
  assert.ok(previews.every((p) => p.x0hat!.dtype === 'U8' && p.x0hat!.data.length === p.x0hat!.shape[0]! * D));
  assert.equal(imagesOf(events).length, 5 * D);
  const { summary } = events.at(-1)!;
  assert.deepEqual([summary!.count, summary!.steps, summary!.evaluations, summary!.rowsScored, summary!.coverageMin], [5, 4, 20, 20 * 60, 1]);
});

const RUNS: readonly SampleRequest[] = [
  { steps: 4 },
  { steps: 3, sampler: 'DDIM', eta: 0.7 },
  { steps: 3, sampler: 'DDPM', labels: [1] },
  { steps: 3, sampler: 'EDM_HEUN' },
  { steps: 3, sampler: 'EDM_EULER', schedule: 'DDPM_COSINE' },
  { steps: 3, retrieval: { kind: 'GOLDEN', variant: 'RELEASED', kMin: 5, kMax: 12, proxyResolution: 2 } },
];
test("the sampler's own time and that of the bytes of images and previews are observed, step by step", async (t) => {
  const { sample, service } = await runCoordinator(t, data);
  await sample({ count: 5, steps: 4, batchRows: 3, seed: 9, previewEvery: 2, previewCount: 1 });
  const text = await (await fetch(`http://${service.ready.metricsAddress}/metrics`)).text();
  const count = (phase: string): number => Number(new RegExp(`phase_duration_seconds_count\\{phase="${phase}"\\} (\\d+)`).exec(text)?.[1]);
  // Before each of four scores and after the last, of two batches.
  assert.equal(count('sampler'), 10);
  // Two pieces of images, and the previews of steps 1, 3 and 4 of the first batch.
  assert.equal(count('serialise'), 5);
});

test('images do not depend on the batch size nor on how a run is split', async (t) => {
  const { sample } = await runCoordinator(t, data);
  for (const run of RUNS) {
    const whole = imagesOf(await sample({ ...run, count: 5, seed: 3 }));
    assert.deepEqual(imagesOf(await sample({ ...run, count: 5, seed: 3, batchRows: 2 })), whole);
    const split = [await sample({ ...run, count: 2, seed: 3 }), await sample({ ...run, count: 3, seed: 3, firstSample: 2 })];
    assert.deepEqual(split.flatMap(imagesOf), whole);
    assert.notDeepEqual(imagesOf(await sample({ ...run, count: 5, seed: 4 })), whole);
  }
});

test('the caller may bring the first noise, and so gets what the seed would have given', async (t) => {
  const { sample } = await runCoordinator(t, data);
  const noise = new Float64Array(3 * D);
  for (let b = 0; b < 3; b++) fillNormals(noise.subarray(b * D, (b + 1) * D), 8, b, 0);
  const drawn = imagesOf(await sample({ count: 3, steps: 4, seed: 8 }));
  assert.deepEqual(imagesOf(await sample({ steps: 4, initialNoise: encodeTensor(noise, [3, 1, 4, 4], 'F32') })), drawn);
});

test('at low noise every image is a row of the data set', async (t) => {
  const { sample } = await runCoordinator(t, data);
  const images = imagesOf(await sample({ count: 4, steps: 50, seed: 2 }));
  const rows = data.partitions.flatMap((part) => Array.from({ length: part.rowIds.length }, (_, i) => part.values.subarray(i * D, (i + 1) * D)));
  for (let b = 0; b < 4; b++) {
    const nearest = Math.min(...rows.map((row) => Math.max(...row.map((value, p) => Math.abs(value - images[b * D + p]!)))));
    // t = 0 has sigma 0.01: the nearest of 60 random rows of 16 values holds all the mass.
    assert.ok(nearest < 1e-6, `${nearest}`);
  }
});

test('bad arguments of a run are refused before its first step', async (t) => {
  const { sample } = await runCoordinator(t, data);
  const refusals: [SampleRequest, RegExp][] = [
    [{}, /count but received 0/],
    [{ count: 65_537 }, /count/],
    [{ count: 1, steps: 1_001 }, /1\.\.1000 for steps/],
    [{ count: 1, eta: 1.5 }, /eta/],
    [{ count: 1, eta: 0.5, sampler: 'EDM_HEUN' }, /eta/],
    [{ count: 1, seed: '9007199254740992' }, /2\^53-1 for seed/],
    [{ count: 2, firstSample: 2 ** 32 - 1 }, /first_sample/],
    [{ count: 1, batchRows: 257 }, /batch_rows/],
    [{ count: 3, labels: [0, 1] }, /1 or 3 values for labels/],
    [{ count: 1, labels: [9] }, /labels\[0\]/],
    [{ count: 1, retrieval: { kind: 'GOLDEN', kFixed: 61 } }, /k_fixed/],
    [{ count: 2, initialNoise: encodeTensor(new Float32Array(D), [1, D], 'F32') }, /count but received 2/],
    [{ initialNoise: encodeTensor(new Float32Array(D).fill(NaN), [1, D], 'F32') }, /initial_noise\[0\]/],
  ];
  for (const [request, message] of refusals) await assert.rejects(sample(request), { message });
  await assert.rejects(sample({ count: 1, denoiser: 77 as never }), { code: 'ARGUMENT_INVALID' });
  await assert.rejects(sample({ count: 1, dataSet: 'other' }), { code: 'DATA_SET_UNKNOWN' });
});

test('cancelling a run closes its step on the workers at once', async (t) => {
  const { samples, workers } = await runCoordinator(t, data);
  const reached = new Promise<void>((resolve) => {
    for (const worker of workers) worker.before = () => (resolve(), new Promise(() => {}));
  });
  const stream = samples.Sample({ count: 1 });
  stream.on('error', () => {});
  await reached;
  stream.cancel();
  while (workers.some((worker) => worker.closes === 0)) await new Promise((resolve) => setTimeout(resolve, 5));
});
