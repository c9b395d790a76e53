import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { oracleRecords, oracleSummary, oracleTable, writeOracleStudy } from '../../../client/studies/oracle-report.js';
import type { OraclePoint, OracleStudy } from '../../../client/studies/oracle-study.js';
import { readOracle } from '../../../client/studies/oracle.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeOracle } from './oracle-files.js';

const point = (method: string, mode: OraclePoint['mode'], t: number, r2: number): OraclePoint => ({
  ...{ denoiser: 'optimal' as const, method, mode, t, ...noiseLevelAt('DDPM_LINEAR', t) },
  errors: { mse: [1 - r2, 1 - r2], worst: [0.5, 0.25], r2: [r2, r2] },
  msPerQuery: 2,
});
const STUDY: OracleStudy = {
  points: ['exact', 'paper'].flatMap((method) => [
    point(method, 'single-step', 500, 0.75),
    point(method, 'single-step', 0, 0.25),
    point(method, 'trajectory', 500, 0.5),
    point(method, 'trajectory', 0, 0.125),
  ]),
  finals: new Map(['exact', 'paper'].map((method) => [`optimal ${method}`, new Float64Array(8)])),
};

test('the summary tells single steps, the trajectory and its last step apart', () => {
  const { header, rows } = oracleSummary(STUDY);
  assert.deepEqual(Object.fromEntries(header.map((name, i) => [name, rows[1]![i]])), {
    denoiser: 'optimal',
    'rows chosen by': 'paper',
    'single-step MSE': '0.5',
    'single-step r²': '0.5',
    'trajectory MSE': '0.688',
    'trajectory r²': '0.313',
    'last MSE': '0.875',
    'last r²': '0.125',
    'ms/query': '2',
  });
  assert.equal(oracleTable(STUDY).rows.length, 8);
  assert.equal(oracleRecords(STUDY).rows.length, 16);
});

test('tables, chart and sheet are written', async () => {
  const dir = temporaryFolder();
  const x = new Float64Array(16);
  await writeOracle(dir, { x, x0hat: x, shape: [2, 2, 4], timesteps: [500, 0] });
  const oracle = await readOracle(dir, 'DDPM_LINEAR', [1, 2, 2]);
  const out = path.join(dir, 'out');
  const names = await writeOracleStudy(out, STUDY, { name: 'tiny', rows: 100, oracle, shape: [1, 2, 2] }, { a: 1 });
  assert.deepEqual(names, ['oracle.md', 'oracle.csv', 'oracle.json', 'r2.svg', 'r2.png', 'images.png']);
  assert.match(
    await readFile(path.join(out, 'oracle.md'), 'utf8'),
    /^# Against a neural oracle: tiny, 100 rows\n\n2 samples of the oracle at 2 steps\./,
  );
  assert.match(await readFile(path.join(out, 'r2.svg'), 'utf8'), />optimal paper</);
});
