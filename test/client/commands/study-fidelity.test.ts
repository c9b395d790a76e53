import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { startPosteriorServer } from '../../support/posterior-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { runStudy, writeSmallImages } from './study-commands.js';

async function started(): Promise<{ dir: string; common: string[] }> {
  const server = await startPosteriorServer();
  const dir = temporaryFolder();
  await writeSmallImages(path.join(dir, 'held.npy'));
  const common = ['fidelity', '--endpoint', server.endpoint, '--input', path.join(dir, 'held.npy'), '--steps', '3', '--out', path.join(dir, 'out')];
  return { dir, common };
}

test('methods that are named are compared with the exact scan, by all denoisers that the cluster has', async () => {
  const { dir, common } = await started();
  const text = await runStudy(...common, '--denoiser', 'offered', '--method', 'paper:k=5,pool=all', '--method', 'exact', '--method', 'released');
  assert.match(text, /^tiny, 100 rows: 3 held-out images \(held\.npy\), noised to 3 levels, against the exact scan\n/);
  const rows = text.split('\n').filter((line) => line.startsWith('| optimal'));
  assert.deepEqual(
    rows.map((row) => row.split('|')[2]?.trim()),
    ['exact', 'paper:k=5,pool=all', 'released'],
  );
  assert.ok((await readdir(path.join(dir, 'out'))).includes('bounds.svg'));
  const printed = JSON.parse(await runStudy(...common, '--method', 'paper', '--json')) as { points: { method: string; holds: boolean[] }[] };
  assert.equal(printed.points.length, 6);
  assert.deepEqual(JSON.parse(await readFile(path.join(dir, 'out', 'fidelity.json'), 'utf8')), printed);
});

test('without names the default methods are compared', async () => {
  const { common } = await started();
  const text = await runStudy(...common);
  for (const method of ['paper', 'paper:pool=all', 'paper:k=1,pool=all', 'released:presample=all', 'exact:tolerance=0.01'])
    assert.ok(text.includes(`| ${method} `), method);
});

test('bad arguments are refused with one sentence, before anything is measured', async () => {
  const { common } = await started();
  for (const [args, message] of [
    [['--denoiser', 'unet'], /^Expected offered, or some of optimal, .* for --denoiser but received "unet"$/],
    [['--denoiser', 'optimal,optimal'], /each once/],
    [['--denoiser', 'pca'], /^Expected OPTIMAL for denoiser but received "PCA"$/],
    [['--mask-threshold', '.1'], /^Expected pca among --denoiser for --mask-threshold but received "optimal"$/],
    [
      ['--patch-size', '3', '--denoiser', 'optimal,pca'],
      /^Expected patch or patch-equivariant among --denoiser for --patch-size but received "optimal,pca"$/,
    ],
    [['--method', 'golden'], /^Expected exact\[:tolerance=SHARE,wss=ROWS\], or paper or released.* for --method but received "golden"$/],
    [['--method', 'paper:k=101'], /with at most 100 rows for --method/],
    [['--method', 'paper', '--method', 'paper'], /^Expected each method once for --method but received "paper"$/],
  ] as const)
    await assert.rejects(runStudy(...common, ...args), { code: 'ARGUMENT_INVALID', message });
  await assert.rejects(runStudy('fidelity', '--endpoint', '127.0.0.1:1'), { code: 'ARGUMENT_INVALID', message: /for --input/ });
  await assert.rejects(runStudy('fidelity', '--data', 'nowhere', '--method', 'nonsense'), { code: 'ARGUMENT_INVALID', message: /for --method/ });
});
