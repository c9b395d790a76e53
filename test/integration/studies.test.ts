/** The studies on a real embedded cluster over MNIST rows, with the golden trajectories in the place of a neural oracle. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { meanOf } from '../../client/studies/image-errors.js';
import { runStudy } from '../client/commands/study-commands.js';
import { writeOracle } from '../client/studies/oracle-files.js';
import { importMnist, temporaryFolder } from '../support/data-sets.js';
import { GOLDEN_DIM, loadGolden } from '../support/goldens.js';

const SMALL = ['--shards', '2', '--steps', '5', '--images', '6', '--seed', '3'];

test('concentration of MNIST rows: support falls with the noise, and the sizes that are suggested keep their error', async (t) => {
  const data = await importMnist(0, 1_000, 4);
  const out = path.join(temporaryFolder(), 'out');
  await runStudy('concentration', '--data', data, ...SMALL, '--max-error', '0.05', '--out', out);
  const report = JSON.parse(await readFile(path.join(out, 'concentration.json'), 'utf8')) as {
    images: { heldOut: boolean };
    suggestion: { kMin: number; kMax: number };
    points: { effectiveSupport: number[]; maxWeight: number[]; rowsNeeded: number }[];
  };
  assert.equal(report.images.heldOut, false);
  const support = report.points.map((p) => meanOf(p.effectiveSupport));
  assert.ok(support[0]! > 300 && support.at(-1)! < 1.01, `${support.join(', ')}`);
  assert.ok(
    report.points.at(-1)!.maxWeight.every((weight) => weight > 0.999),
    'a row that is in the data set finds itself',
  );
  const { kMin, kMax } = report.suggestion;
  const method = `paper:k-min=${kMin},k-max=${kMax},pool=all`;
  const fidelity = JSON.parse(await runStudy('fidelity', '--data', data, ...SMALL, '--method', method, '--json', '--out', out)) as {
    points: { method: string; errors: { worst: number[] }; massLeftOut: number[]; holds: boolean[] }[];
  };
  const own = fidelity.points.filter((p) => p.method === method);
  const worst = Math.max(...own.flatMap((p) => p.errors.worst));
  const left = Math.max(...own.flatMap((p) => p.massLeftOut));
  assert.ok(left <= 0.05 + 1e-5 && worst <= left + 1e-6, `mass ${left}, error ${worst}`);
  assert.ok(
    own.every((p) => p.holds.every(Boolean)),
    'over the true nearest rows the heuristic bound is none',
  );
  t.diagnostic(`k ${kMin}..${kMax}: largest mass left out ${left}, worst error of a pixel ${worst}`);
});

test('against an oracle that is the optimal denoiser, r2 is 1 in every single step', async (t) => {
  const golden = await loadGolden('mnist3k_pca_fewsteps');
  const dir = temporaryFolder();
  const shape = [golden.timesteps.length, golden.batch, GOLDEN_DIM];
  await writeOracle(dir, { x: golden.xt, x0hat: golden.exactOptimal, shape, timesteps: golden.timesteps });
  const data = await importMnist(golden.firstRow, golden.rows, 3);
  const args = ['--data', data, '--shards', '2', '--oracle', dir, '--method', 'exact', '--json', '--out', path.join(dir, 'out')];
  const { points } = JSON.parse(await runStudy('fidelity', ...args)) as {
    points: { mode: string; t: number; errors: { worst: number[]; r2: number[] } }[];
  };
  const single = points.filter((p) => p.mode === 'single-step');
  const worst = Math.max(...single.flatMap((p) => p.errors.worst));
  assert.equal(single.length, golden.timesteps.length);
  // SCIENCE asks for 1e-5 in the data's range, which is twice that of these pixels; the levels come from float32 alpha bars there and from double here.
  assert.ok(worst < 5e-6, `${worst}`);
  assert.ok(Math.min(...single.flatMap((p) => p.errors.r2)) > 0.9999);
  // The x of these trajectories came from another denoiser, so only the first step is the same.
  const first = points.find((p) => p.mode === 'trajectory');
  assert.ok(first !== undefined && Math.min(...first.errors.r2) > 0.9999);
  t.diagnostic(`worst single-step difference of a pixel ${worst}`);
});

test('against trajectories of the public code, its own settings have r2 1, in single steps and to the end of the trajectory', async (t) => {
  const golden = await loadGolden('mnist3k_pca_fewsteps');
  const dir = temporaryFolder();
  const shape = [golden.timesteps.length, golden.batch, GOLDEN_DIM];
  await writeOracle(dir, { x: golden.xt, x0hat: golden.x0hat, shape, timesteps: golden.timesteps });
  const data = await importMnist(golden.firstRow, golden.rows, 3);
  const method = `released:k-min=${golden.kMin},k-max=${golden.kMax},pool=${golden.kMax},presample=all`;
  const args = ['--data', data, '--shards', '2', '--oracle', dir, '--denoiser', 'pca', '--method', method, '--json', '--out', path.join(dir, 'out')];
  const { points } = JSON.parse(await runStudy('fidelity', ...args)) as { points: { mode: string; errors: { mse: number[]; r2: number[] } }[] };
  for (const mode of ['single-step', 'trajectory']) {
    const own = points.filter((p) => p.mode === mode);
    const worst = Math.max(...own.flatMap((p) => p.errors.mse));
    assert.equal(own.length, golden.timesteps.length);
    // The bound on the worst value of a step is 5e-3 in the data's range, on few border pixels; its square over all pixels would be 6e-6.
    assert.ok(worst < 6e-6 && Math.min(...own.flatMap((p) => p.errors.r2)) > 0.9999, `${mode}: ${worst}`);
    t.diagnostic(`${mode}: largest MSE of an image ${worst}`);
  }
});
