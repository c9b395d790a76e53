import assert from 'node:assert/strict';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { runDemonstration } from '../../client/demonstration.js';
import { writeNpy } from '../../shared/dataset/npy.js';
import { temporaryFolder } from '../support/data-sets.js';

test('the main job on a small source: imports, samples, measures, draws, and does not import twice', async () => {
  const dir = temporaryFolder();
  const rows = 96;
  const pixels = Uint8Array.from({ length: rows * 64 }, (_, i) => (i * 7919 + Math.floor(i / 64) * 131) % 256);
  await writeNpy(path.join(dir, 'rows.npy'), pixels, [rows, 1, 8, 8]);
  const lines: string[] = [];
  const options = {
    source: `npy:${path.join(dir, 'rows.npy')}`,
    heldOutSource: `npy:${path.join(dir, 'rows.npy')}`,
    title: 'Small',
    dataDir: path.join(dir, 'data'),
    outDir: path.join(dir, 'out'),
    shards: 2,
    imagesOnReference: 2,
    sampling: { count: 4, steps: 3, seed: 1, previewEvery: 1, retrieval: { kind: 'golden', kMin: 8, kMax: 16 } },
    say: (line: string) => void lines.push(line),
  } as const;
  await runDemonstration(options);
  assert.deepEqual((await readdir(options.outDir)).sort(), [
    'concentration.png',
    'concentration.svg',
    'run.json',
    'samples.npy',
    'samples.png',
    'trajectory.png',
  ]);
  const report = JSON.parse(await readFile(path.join(options.outDir, 'run.json'), 'utf8')) as {
    summary: { rowsScored: number; tailMassKind: string };
    nearestTrainingRow: { samplesThatEqualATrainingRow: number; rms: number[] };
    concentration: { t: number; effectiveSupport: number[]; goldenRows: number }[];
  };
  assert.deepEqual(
    report.concentration.map((p) => [p.t, p.effectiveSupport.length]),
    [
      [666, 8],
      [333, 8],
      [0, 8],
    ],
  );
  const golden = report.concentration.reduce((sum, p) => sum + p.goldenRows * 4, 0);
  assert.equal(report.summary.rowsScored, golden, 'every image is scored with the golden subset of its step');
  assert.equal(report.nearestTrainingRow.rms.length, 4);
  assert.ok(report.nearestTrainingRow.samplesThatEqualATrainingRow > 0, 'the optimal denoiser ends at training rows');
  assert.ok(lines.some((line) => line.startsWith('importing Small')));

  assert.match(
    lines.join('\n'),
    /4 images by GoldDiff \(optimal\)[^]*left out +of the mass, at most .* \(heuristic bound\)[^]*as the optimal denoiser must/,
  );

  lines.length = 0;
  await runDemonstration({ ...options, sampling: { ...options.sampling, denoiser: 'pca' } });
  assert.match(lines.join('\n'), /4 images by GoldDiff \(pca\)[^]*moves a pixel by at most .* at t = 0 \(certified bound\)/);
  const again = JSON.parse(await readFile(path.join(options.outDir, 'run.json'), 'utf8')) as { settings: { denoiser: string } };
  assert.equal(again.settings.denoiser, 'pca');
  assert.ok(!lines.some((line) => line.startsWith('importing')), 'a data set that is whole is used as it is');
  await rm(path.join(options.dataDir, 'partition-00003.safetensors'));
  lines.length = 0;
  await runDemonstration({ ...options, backend: 'reference' });
  assert.ok(
    lines.some((line) => line.startsWith('THE NATIVE ENGINE IS MISSING') && line.includes('2 images in place of 4')),
    'the reference backend gets fewer images, and says so',
  );
  assert.equal((JSON.parse(await readFile(path.join(options.outDir, 'run.json'), 'utf8')) as { summary: { count: number } }).summary.count, 2);
  assert.ok(
    lines.some((line) => line.startsWith('importing')),
    'one with a file missing is imported again',
  );
});
