import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../../client/golddiff-client.js';
import { noisedImages } from '../../../client/noised-images.js';
import { EXACT, fidelityLooks, measureFidelity, offeredDenoisers, type Fidelity, type FidelityInput } from '../../../client/studies/fidelity.js';
import { parseMethod } from '../../../client/studies/method.js';
import { samplingPath, type PathPoint } from '../../../shared/math/noise-schedule.js';
import type { CannedCoordinator } from '../../support/canned-coordinator.js';
import { SMALL_DIM, SMALL_ROWS, smallPosterior, smallRows, startPosteriorServer } from '../../support/posterior-server.js';

const COUNT = 3;
const clean = Float64Array.from([4, 50, 97].flatMap((row) => [...smallRows[row]!]));
const INPUT: FidelityInput = {
  dataSet: 'tiny',
  denoisers: ['optimal'],
  methods: ['paper:k=5,pool=all', 'released:k=40'].map((text) => parseMethod(text, SMALL_ROWS)),
  levels: samplingPath('DDPM_LINEAR', 4),
  queriesAt: (level: PathPoint) => noisedImages(clean, COUNT, level, 1),
  count: COUNT,
  clean,
  seed: 9,
  batchRows: 2,
};

async function measure(server: CannedCoordinator, input: Partial<FidelityInput> = {}, notes: string[] = []): Promise<Fidelity> {
  const client = connect(server.endpoint);
  const study = await measureFidelity(client, { ...INPUT, ...input }, new AbortController().signal, (_, note) => notes.push(note)).finally(() =>
    client.close(),
  );
  return study;
}

test('every method is compared with the exact scan at every level, and errors and masses are those of the posteriors', async (t) => {
  const server = await startPosteriorServer();
  const notes: string[] = [];
  const { points, refused, firstImages } = await measure(server, {}, notes);
  assert.equal(notes.length, fidelityLooks(INPUT));
  assert.deepEqual([...new Set(points.map((p) => p.method))], [EXACT, 'paper:k=5,pool=all', 'released:k=40']);
  assert.deepEqual([points.length, refused.length, firstImages.size], [12, 0, 12]);
  let worst = 0;
  for (const point of points) {
    const x = INPUT.queriesAt(point);
    const k = point.method === EXACT ? SMALL_ROWS : point.method === 'released:k=40' ? 40 : 5;
    for (let b = 0; b < COUNT; b++) {
      const query = x.subarray(b * SMALL_DIM, (b + 1) * SMALL_DIM);
      const [exact, own] = [smallPosterior(query, point.alpha, point.sigma), smallPosterior(query, point.alpha, point.sigma, k)];
      const difference = Math.max(...own.x0hat.map((value, p) => Math.abs(value - exact.x0hat[p]!) / 2));
      const left = exact.weights.slice(k).reduce((sum, w) => sum + w, 0);
      worst = Math.max(worst, Math.abs(point.errors.worst[b]! - difference), Math.abs(point.massLeftOut![b]! - left));
      assert.equal(point.rows[b], k);
      assert.ok(point.holds[b], 'the nearest rows keep their bound');
      assert.ok(difference <= left + 1e-12, 'the bound of SCIENCE section 5 itself');
    }
    assert.equal(point.msPerQuery, 2);
  }
  // Double sums in one order there and another here; log Z loses 1e-16 of 1e4 nats at the cleanest level.
  assert.ok(worst < 1e-10, `${worst}`);
  t.diagnostic(`largest difference from brute force ${worst}`);
});

test('a bound that is too low is seen to be broken, at the queries where it is', async () => {
  const { points } = await measure(await startPosteriorServer((bound) => bound / 50));
  const noisy = points.find((p) => p.method === 'paper:k=5,pool=all')!;
  assert.ok(
    noisy.holds.every((held) => !held),
    'at much noise most of the mass is left out',
  );
  assert.ok(points.filter((p) => p.method === EXACT).every((p) => p.holds.every(Boolean)));
});

test('the pre-sample differs from step to step, as along a trajectory, and has the seed of the study', async () => {
  const server = await startPosteriorServer();
  await measure(server);
  const golden = server.scoreRequests.filter((r) => r.retrieval?.kind === 'GOLDEN' && r.retrieval.variant === 'RELEASED');
  assert.deepEqual(
    golden.map((r) => [r.retrieval?.presampleSeed, r.retrieval?.presampleStep, r.retrieval?.firstQuery]),
    [0, 1, 2, 3].flatMap((step) => [
      [9, step, 0],
      [9, step, 2],
    ]),
  );
  assert.ok(server.scoreRequests.every((r) => r.resultDtype === 'F64'));
});

test('denoisers are found by asking, and one that is lacking fails the study', async () => {
  const server = await startPosteriorServer();
  const client = connect(server.endpoint);
  const served = { name: 'tiny', values: SMALL_DIM };
  assert.deepEqual(await offeredDenoisers(client, ['pca', 'optimal'], INPUT.levels[0]!, served, new AbortController().signal), ['optimal']);
  client.close();
  await assert.rejects(measure(server, { denoisers: ['pca'] }), { code: 'UNSUPPORTED' });
});

test('a denoiser without rows has no methods to compare', () => {
  assert.equal(fidelityLooks({ ...INPUT, denoisers: ['wiener'] }), 4);
  assert.equal(fidelityLooks({ ...INPUT, denoisers: ['wiener', 'optimal'] }), 16);
});

test('settings go with the denoiser that they are of, and with no other', async () => {
  const server = await startPosteriorServer();
  await measure(server, { settings: { pca: { maskThreshold: 0.1 } } });
  assert.ok(server.scoreRequests.every((request) => request.denoiserSettings === null));
  await measure(server, { settings: { optimal: { patchSize: 3 } } });
  assert.equal(server.scoreRequests.at(-1)?.denoiserSettings?.patchSize, 3);
});
