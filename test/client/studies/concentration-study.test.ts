import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { connect } from '../../../client/golddiff-client.js';
import { noisedImages } from '../../../client/noised-images.js';
import {
  concentrationAdvice,
  concentrationRecords,
  concentrationTable,
  studyConcentration,
  writeConcentrationStudy,
  type ConcentrationStudy,
} from '../../../client/studies/concentration-study.js';
import { SMALL_DIM, SMALL_ROWS, smallPosterior, smallRows, startPosteriorServer } from '../../support/posterior-server.js';
import { temporaryFolder } from '../../support/data-sets.js';

const COUNT = 3;
const images = Float64Array.from([4, 50, 97].flatMap((row) => [...smallRows[row]!]));

async function study(maxError: number, seen: number[] = []): Promise<ConcentrationStudy> {
  const client = connect((await startPosteriorServer()).endpoint);
  const input = { dataSet: 'tiny', images, count: COUNT, steps: 5, seed: 2, batchRows: 2, eligibleRows: SMALL_ROWS, maxError };
  const result = await studyConcentration(client, input, new AbortController().signal, (done) => seen.push(done));
  client.close();
  return result;
}

test('measures are those of the exact posteriors, and the suggested sizes leave out no more mass than the error', async (t) => {
  const seen: number[] = [];
  const { points, suggestion } = await study(0.05, seen);
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  let worst = 0;
  for (const point of points) {
    const x = noisedImages(images, COUNT, point, 2);
    for (let b = 0; b < COUNT; b++) {
      const { weights, logZ } = smallPosterior(x.subarray(b * SMALL_DIM, (b + 1) * SMALL_DIM), point.alpha, point.sigma);
      // The same sums in the same order, up to the rounding of the noise's float64: the request carries float64.
      assert.ok(Math.abs(point.maxWeight[b]! - weights[0]!) < 1e-12 && Math.abs(point.logZ[b]! - logZ) < 1e-9);
      worst = Math.max(worst, ...[point.rowsNeeded!, point.goldenRows!].map((k) => weights.slice(k).reduce((sum, w) => sum + w, 0)));
    }
    assert.ok(point.goldenRows! >= point.rowsNeeded!);
  }
  assert.ok(worst <= 0.05 + 1e-9, `${worst} of the mass is left out`);
  t.diagnostic(`largest mass left out ${worst}, k_min ${suggestion.kMin}, k_max ${suggestion.kMax}`);
});

test('the table has medians, the records every image, and the advice the sizes', async () => {
  const result = await study(0.2);
  const table = concentrationTable(result);
  assert.equal(table.rows.length, 5);
  assert.equal(table.rows[0]!.length, table.header.length);
  assert.ok(table.header.includes('rows for error ≤ 0.2'));
  const records = concentrationRecords(result);
  assert.equal(records.rows.length, 5 * COUNT);
  assert.deepEqual(records.rows[1]!.slice(0, 5), [800, result.points[0]!.alpha, result.points[0]!.sigma, 1, result.points[0]!.effectiveSupport[1]]);
  const advice = concentrationAdvice(result, SMALL_ROWS);
  assert.match(
    advice[0]!,
    new RegExp(`at most 0\\.2 .*--k-min ${result.suggestion.kMin} --k-max ${result.suggestion.kMax} weighs \\d+(\\.\\d)?% of the rows`),
  );
  assert.match(advice[2]!, /^from t = 800 to \d00 more than half of the rows are needed|^at t = 800 more than half/);
  assert.match(advice[3]!, /^at the other levels --k-min 1 --k-max /);
});

test('where a small subset does everywhere, nothing is said of levels where it does not', async () => {
  const result = await study(0.05);
  const narrow = { ...result, points: result.points.map((point) => ({ ...point, rowsNeeded: 3 })), suggestionBelowHalf: undefined };
  assert.equal(concentrationAdvice(narrow, SMALL_ROWS).length, 2);
});

test('tables, pictures and the report are written, and replaced by the next run', async () => {
  const result = await study(0.05);
  const folder = path.join(temporaryFolder(), 'deep', 'out');
  const subject = { name: 'tiny', rows: SMALL_ROWS, queries: 'rows of tiny itself' };
  for (let i = 0; i < 2; i++) await writeConcentrationStudy(folder, result, subject, { run: i });
  const names = [
    'concentration.csv',
    'concentration.json',
    'concentration.md',
    'concentration.png',
    'concentration.svg',
    'weights.png',
    'weights.svg',
  ];
  assert.deepEqual((await readdir(folder)).sort(), names);
  const text = await readFile(path.join(folder, 'concentration.md'), 'utf8');
  assert.match(text, /^# Concentration of the posterior: tiny, 100 rows\n\nExact posterior of 3 rows of tiny itself, noised to each level/);
  assert.match(text, /\n- error of a pixel at most 0\.05 /);
  assert.deepEqual(JSON.parse(await readFile(path.join(folder, 'concentration.json'), 'utf8')), { run: 1 });
  assert.match(await readFile(path.join(folder, 'concentration.svg'), 'utf8'), /rows needed for an error of at most 0\.05/);
});
