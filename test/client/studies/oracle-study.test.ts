import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../../client/golddiff-client.js';
import { parseMethod } from '../../../client/studies/method.js';
import { ddimStep, oracleLooks, studyOracle, type OracleStudyInput } from '../../../client/studies/oracle-study.js';
import { readOracle } from '../../../client/studies/oracle.js';
import { samplingPath } from '../../../shared/math/noise-schedule.js';
import { SMALL_DIM, SMALL_ROWS, smallPosterior, startPosteriorServer } from '../../support/posterior-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeOracle } from './oracle-files.js';

const LEVELS = samplingPath('DDPM_LINEAR', 5);
const COUNT = 3;

/** A sampler on the exact posterior, by plain loops. */
function trajectories(): { x: Float64Array; x0hat: Float64Array } {
  const [x, x0hat]: [number[], number[]] = [[], []];
  let now = Array.from({ length: COUNT * SMALL_DIM }, (_, i) => Math.cos(i * 2.1));
  for (const [step, { alpha, sigma }] of LEVELS.entries()) {
    const mean = Array.from({ length: COUNT }, (_, b) => [
      ...smallPosterior(now.slice(b * SMALL_DIM, (b + 1) * SMALL_DIM), alpha, sigma).x0hat,
    ]).flat();
    x.push(...now);
    x0hat.push(...mean);
    const next = LEVELS[step + 1];
    if (next !== undefined) now = now.map((value, i) => next.alpha * mean[i]! + next.sigma * ((value - alpha * mean[i]!) / sigma));
  }
  return { x: Float64Array.from(x), x0hat: Float64Array.from(x0hat) };
}

async function input(change: (x0hat: Float64Array) => void = () => {}): Promise<OracleStudyInput> {
  const dir = temporaryFolder();
  const { x, x0hat } = trajectories();
  change(x0hat);
  await writeOracle(dir, { x, x0hat, shape: [LEVELS.length, COUNT, SMALL_DIM], timesteps: LEVELS.map(({ t }) => t) });
  const oracle = await readOracle(dir, 'DDPM_LINEAR', [1, 2, 2]);
  return {
    dataSet: 'tiny',
    oracle,
    denoisers: ['optimal'],
    methods: [parseMethod('exact', SMALL_ROWS), parseMethod('paper:k=3,pool=all', SMALL_ROWS)],
    seed: 0,
    batchRows: 2,
  };
}

test('an oracle that is the denoiser itself is met at every step, in single steps and along the trajectory', async (t) => {
  const client = connect((await startPosteriorServer()).endpoint);
  const study = await input();
  const notes: string[] = [];
  const { points, finals } = await studyOracle(client, study, new AbortController().signal, (_, note) => notes.push(note));
  client.close();
  assert.deepEqual([points.length, notes.length, finals.size], [20, oracleLooks(study), 2]);
  const exact = points.filter((p) => p.method === 'exact');
  const worst = Math.max(...exact.flatMap((p) => p.errors.worst));
  // The same formulas in double over five steps.
  assert.ok(worst < 1e-12, `${worst}`);
  assert.ok(exact.every((p) => p.errors.r2.every((r2) => r2 > 1 - 1e-12)));
  const rough = points.filter((p) => p.method !== 'exact' && p.t === 800);
  assert.ok(
    rough.every((p) => p.errors.mse.every((mse) => mse > 1e-4)),
    'three rows are no posterior at much noise',
  );
  t.diagnostic(`largest difference ${worst}`);
});

test("single steps ask at the oracle's own x, a trajectory goes on from its own answers", async () => {
  const server = await startPosteriorServer();
  const client = connect(server.endpoint);
  // An oracle that predicts something else: its x, which is what single steps see, does not change here.
  const study = await input((x0hat) => x0hat.fill(1));
  const { points } = await studyOracle(client, { ...study, methods: study.methods.slice(0, 1), batchRows: 8 }, new AbortController().signal);
  client.close();
  const xOf = (i: number): Float64Array => new Float64Array(Uint8Array.from(server.scoreRequests[i]?.x?.data ?? []).buffer);
  for (let step = 0; step < 5; step++) {
    assert.deepEqual(xOf(step), study.oracle.xAt(step));
    xOf(5 + step).forEach((value, i) => assert.ok(Math.abs(value - study.oracle.xAt(step)[i]!) < 1e-12));
  }
  assert.ok(points.every((p) => p.errors.mse.some((mse) => mse > 1e-3)));
});

test('a DDIM step to the same level changes nothing, and one to no noise gives the image', () => {
  const [x, x0hat] = [Float64Array.of(0.3, -0.8), Float64Array.of(0.5, 0.1)];
  const from = { t: 5, alpha: 0.6, sigma: 0.8 };
  ddimStep(x, x0hat, from, from).forEach((value, i) => assert.ok(Math.abs(value - x[i]!) < 1e-15));
  assert.deepEqual(ddimStep(x, x0hat, from, { t: 0, alpha: 1, sigma: 0 }), x0hat);
});
