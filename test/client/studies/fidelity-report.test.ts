import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { fidelityRecords, fidelitySummary, fidelityTable, writeFidelityStudy } from '../../../client/studies/fidelity-report.js';
import type { Fidelity, FidelityPoint } from '../../../client/studies/fidelity.js';
import { samplingPath } from '../../../shared/math/noise-schedule.js';
import { temporaryFolder } from '../../support/data-sets.js';

const LEVELS = samplingPath('DDPM_LINEAR', 2);

function point(denoiser: 'optimal' | 'pca', method: string, level: number, worst: number, holds: boolean): FidelityPoint {
  const exact = method === 'exact';
  return {
    ...LEVELS[level]!,
    denoiser,
    method,
    errors: { mse: [worst / 10, worst / 20], worst: [worst, worst / 2], r2: [exact ? 1 : 0.8, 1] },
    cleanMse: [0.04, 0.02],
    rows: exact ? [1000, 1000] : [100, 100],
    massLeftOut: denoiser === 'pca' ? undefined : [worst, worst],
    bound: exact ? [0, 0] : [0.5, 0.5],
    boundKind: exact ? 'exact' : 'heuristic',
    holds: [holds, true],
    msPerQuery: 3,
  };
}

function study(...denoisers: ('optimal' | 'pca')[]): Fidelity {
  const points = denoisers.flatMap((denoiser) =>
    [0, 1].flatMap((level) => [point(denoiser, 'exact', level, 0, true), point(denoiser, 'paper', level, 0.1 * (level + 1), level === 0)]),
  );
  const firstImages = new Map(points.map((p) => [`${p.denoiser} ${p.method} ${p.t}`, new Float64Array(4)]));
  return { points, refused: [{ denoiser: 'pca', method: 'released', reason: 'not here' }], firstImages };
}

const SUBJECT = {
  ...{ name: 'tiny', rows: 1000, count: 2, queries: 'held-out images, noised', shape: [1, 2, 2] as const, levels: LEVELS },
  firstNoisy: () => new Float64Array(4),
};

test('the summary has one row for each denoiser and method, over levels and images', () => {
  const { header, rows } = fidelitySummary(study('optimal'), 1000);
  const cells = Object.fromEntries(header.map((name, i) => [name, rows.map((row) => row[i])]));
  assert.deepEqual(cells['rows'], ['100%', '10%']);
  assert.deepEqual(cells['worst pixel'], ['', '0.2']);
  assert.deepEqual(cells['held'], ['', '3/4']);
  // Errors .1 .05 .2 .1 over a bound of .5: the median is that of .1, .2, .2, .4.
  assert.deepEqual(cells['error/bound'], ['', '0.2']);
  assert.deepEqual(cells['lowest r²'], ['', '0.8']);
  assert.deepEqual(cells['MSE to clean'], ['0.03', '0.03']);
});

test('the table has every level and the records every image', () => {
  assert.equal(fidelityTable(study('optimal', 'pca')).rows.length, 8);
  const { header, rows } = fidelityRecords(study('optimal', 'pca'));
  assert.equal(rows.length, 16);
  assert.ok(rows.every((row) => row.length === header.length));
  assert.deepEqual(rows[2]!.slice(0, 3), ['optimal', 'paper', 500]);
  assert.equal(rows.at(-1)![header.indexOf('mass_left_out')], '', 'no one mass where weights are per pixel');
});

test('one denoiser has files of plain names, several have their own, and what was not served is told', async () => {
  const folder = path.join(temporaryFolder(), 'out');
  const pictures = (suffix: string): string[] =>
    ['bounds', 'errors'].flatMap((name) => [`${name}${suffix}.png`, `${name}${suffix}.svg`]).concat(`images${suffix}.png`);
  const tables = ['fidelity.csv', 'fidelity.json', 'fidelity.md'];
  const names = await writeFidelityStudy(folder, study('optimal'), SUBJECT, { a: 1 });
  assert.deepEqual((await readdir(folder)).sort(), [...tables, ...pictures('')].sort());
  assert.deepEqual(names.sort(), [...tables, ...pictures('')].sort());
  const both = path.join(folder, 'both');
  await writeFidelityStudy(both, study('optimal', 'pca'), SUBJECT, {});
  assert.deepEqual((await readdir(both)).sort(), [...tables, ...pictures('-optimal'), ...pictures('-pca')].sort());
  const text = await readFile(path.join(both, 'fidelity.md'), 'utf8');
  assert.match(text, /^# Fidelity of cheaper answers: tiny, 1,000 rows/);
  assert.match(text, /## Not served\n\n- pca, released: not here/);
  assert.match(await readFile(path.join(both, 'bounds-pca.svg'), 'utf8'), /paper: broken at 1 of 2/);
});

test('a denoiser with its exact scan alone has a sheet and no charts', async () => {
  const folder = temporaryFolder();
  const only = { ...study('optimal'), refused: [] };
  const names = await writeFidelityStudy(folder, { ...only, points: only.points.filter((p) => p.method === 'exact') }, SUBJECT, {});
  assert.deepEqual(names, ['fidelity.md', 'fidelity.csv', 'fidelity.json', 'images.png']);
});
