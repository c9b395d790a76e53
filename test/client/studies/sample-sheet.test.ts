import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { connect } from '../../../client/golddiff-client.js';
import { sampleSheet, sheetPng, sheetTable } from '../../../client/studies/sample-sheet.js';
import { startCannedCoordinator } from '../../support/canned-coordinator.js';

const SAMPLING = { count: 3, steps: 2, seed: 9, sampler: 'ddim', schedule: 'ddpm-linear', batchRows: 8 } as const;

test('every row of the sheet asks for the same noise, each with its own denoiser, retrieval and settings', async () => {
  const server = await startCannedCoordinator();
  const client = connect(server.endpoint);
  const done: string[] = [];
  const settings = { pca: { maskThreshold: 0.05 } };
  const sheet = await sampleSheet(client, SAMPLING, settings, new AbortController().signal, (n, label) => done.push(`${n} ${label}`));
  client.close();
  assert.deepEqual(done, ['1 optimal', '2 wiener', '3 patch', '4 pca', '5 GoldDiff (pca)']);
  assert.deepEqual(
    server.sampleRequests.map((r) => [r.seed, r.firstSample, r.count, r.steps, r.sampler]),
    sheet.map(() => [9, 0, 3, 2, 'DDIM']),
  );
  assert.deepEqual(
    server.sampleRequests.map((r) => [r.denoiser, r.retrieval?.kind, r.denoiserSettings?.maskThreshold]),
    [
      ['OPTIMAL', 'EXACT_SCAN', undefined],
      ['WIENER', 'EXACT_SCAN', undefined],
      ['PATCH', 'EXACT_SCAN', undefined],
      ['PCA', 'EXACT_SCAN', 0.05],
      ['PCA', 'GOLDEN', 0.05],
    ],
  );
  // 300 rows were scored in 3 * 2 evaluations over 100.
  assert.deepEqual(sheetTable(sheet, 100, 6).rows[4], ['GoldDiff (pca)', 'pca', '50%', '0.005']);
});

test('the picture has a row for each denoiser and a column for each sample, and no alpha channel', async () => {
  const row = (label: string, grey: number) => {
    const images = new Float32Array(2 * 16).fill(grey);
    return { label, denoiser: 'pca', retrieval: { kind: 'exact' }, images, shape: [1, 4, 4], rowsScored: 1, totalMs: 1 } as const;
  };
  const png = await sheetPng('Sheet', [row('dark', -1), row('light', 1)], 2);
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  assert.equal((await sharp(png).metadata()).channels, 3);
  // Tiles are 84 wide, 4 apart, from the lower right corner.
  const at = (x: number, y: number): number => data[(info.height - y) * info.width + info.width - x]!;
  assert.deepEqual([at(60, 60), at(148, 60), at(60, 148), at(148, 148)], [255, 255, 0, 0]);
});
