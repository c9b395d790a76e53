import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { startPosteriorServer } from '../../support/posterior-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeOracle } from '../studies/oracle-files.js';
import { runStudy } from './study-commands.js';

async function started(): Promise<{ dir: string; common: string[] }> {
  const server = await startPosteriorServer();
  const dir = temporaryFolder();
  const x = Float64Array.from({ length: 24 }, (_, i) => Math.sin(i));
  await writeOracle(dir, { x, x0hat: x.map((value) => value / 2), shape: [2, 3, 4], timesteps: [500, 0] });
  return { dir, common: ['fidelity', '--endpoint', server.endpoint, '--oracle', dir, '--out', path.join(dir, 'out')] };
}

test('the oracle takes the place of images and levels, and its MSE and r2 are printed', async () => {
  const { dir, common } = await started();
  const text = await runStudy(...common);
  assert.match(text, /^tiny, 100 rows, against 3 samples of the oracle at 2 steps\n\n\| denoiser \| rows chosen by \| single-step MSE/);
  assert.equal(text.split('\n').filter((line) => line.startsWith('| optimal')).length, 2, 'exact and paper');
  assert.deepEqual((await readdir(path.join(dir, 'out'))).sort(), ['images.png', 'oracle.csv', 'oracle.json', 'oracle.md', 'r2.png', 'r2.svg']);
  const printed = JSON.parse(await runStudy(...common, '--method', 'paper:k=3', '--json')) as { points: object[]; images: { count: number } };
  assert.deepEqual([printed.points.length, printed.images.count], [4, 3]);
});

test('flags that would have no effect, and arrays that do not fit, are refused', async () => {
  const { dir, common } = await started();
  for (const flag of [
    ['--steps', '5'],
    ['--images', '2'],
    ['--input', 'x.npy'],
  ])
    await assert.rejects(runStudy(...common, ...flag), {
      code: 'ARGUMENT_INVALID',
      message: `Expected no ${flag[0]}, as its arrays say the images and levels, for --oracle but received "${flag.join(' ')}"`,
    });
  await writeOracle(dir, { x: new Float64Array(10), x0hat: new Float64Array(10), shape: [1, 2, 5], timesteps: [0] });
  await assert.rejects(runStudy(...common), { code: 'FILE_INVALID', message: /x_t\.npy/ });
});
