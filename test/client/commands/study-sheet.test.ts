import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import sharp from 'sharp';

import { startCannedCoordinator } from '../../support/canned-coordinator.js';
import { importMnist, temporaryFolder } from '../../support/data-sets.js';
import { runStudy } from './study-commands.js';

test('one command makes the sheet of a data set, with every denoiser at work', async (t) => {
  const data = await importMnist(0, 300, 4);
  const out = path.join(temporaryFolder(), 'new', 'sheet.png');
  const text = await runStudy('sheet', '--data', data, '--shards', '2', '--images', '3', '--steps', '3', '--seed', '7', '--out', out);
  t.diagnostic(text);
  assert.match(text, /\| GoldDiff \(pca\) +\| pca +\| +[5-9](\.\d+)?% \|/, 'golden subsets of a twentieth to a tenth of the rows');
  assert.match(text, /\| pca +\| pca +\| +100% \|/);
  assert.match(text, /300 rows: 3 DDIM steps, each column from the same noise: .*sheet\.png\n$/);
  const { width, height } = await sharp(out).metadata();
  assert.ok(width > 3 * 84 && height > 5 * 84, `${width} x ${height}`);
});

test('settings go to their denoiser, and the report is one line', async () => {
  const server = await startCannedCoordinator();
  const out = path.join(temporaryFolder(), 'sheet.png');
  const flags = ['--endpoint', server.endpoint, '--images', '2', '--steps', '2', '--out', out, '--json'];
  const report = JSON.parse(await runStudy('sheet', ...flags, '--patch-size', '5', '--mask-threshold', '.1')) as { samples: { label: string }[] };
  assert.equal(report.samples.length, 5);
  assert.deepEqual(
    server.sampleRequests.map(({ denoiserSettings: s }) => [s?.patchSize ?? 0, s?.maskThreshold ?? 0]),
    [
      [0, 0],
      [0, 0],
      [5, 0],
      [0, 0.1],
      [0, 0.1],
    ],
  );
  await assert.rejects(runStudy('sheet', ...flags, '--images', '33'), { message: /whole number from 1 to 32 for --images/ });
  await assert.rejects(runStudy('sheet', ...flags, '--label', '3'), { message: /a class of tiny that has rows/ });
});
