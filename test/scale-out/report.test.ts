import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../support/data-sets.js';
import { evaluationRates, logTicks, rowsOfWorkers } from './charts.js';
import { generatedBatch, generatedChange } from './generated-figures.js';
import { figuresTable, reportText, writeReport, type ScaleOutRun } from './report.js';

const sizes = [1, 2, 4, 8];
const run: ScaleOutRun = {
  strong: sizes.flatMap((w) => [generatedBatch(w), generatedBatch(w, { t: 100 })]),
  weak: sizes.map((w) => generatedBatch(w, { rows: 200 * w })),
  change: generatedChange(),
  checks: [
    { name: 'this one', held: true, detail: '' },
    { name: 'that one', held: false, detail: '2 of 3' },
  ],
  cores: 2,
  node: 'v20',
  commit: 'abc',
  date: 'today',
  command: 'npm run x',
  loadAverage: 0.5,
};

test('the report says what was run, how many checks held and which did not, and names pictures that are there', async () => {
  const out = temporaryFolder();
  const files = await writeReport(out, run);
  const text = readFileSync(path.join(out, 'SCALING.md'), 'utf8');
  assert.equal(text, reportText(run));
  for (const part of ['`npm run x` at commit abc', '2 virtual cores', '1 of 2 checks held', '**not held**: that one (2 of 3)', '2 to 8 to 3'])
    assert.ok(text.includes(part), part);
  const pictures = [...text.matchAll(/\]\((images\/[^)]+)\)/g)].map((match) => match[1]!);
  assert.deepEqual(files.sort(), [...pictures, 'SCALING.md'].sort());
  for (const picture of pictures) assert.deepEqual([...readFileSync(path.join(out, picture)).subarray(1, 4)], [...Buffer.from('PNG')]);
  assert.match(text, /golden, t = 700\*\*: 8 workers against 1: the busiest looks at 12.5% of the rows in 12.5% of the CPU time/);
});

test('a table has a line for each case and size, with the rows and the time of the busiest worker', () => {
  const { rows, header } = figuresTable([generatedBatch(2, { rowsByWorker: { proxy: [3_200, 3_200], sums: [300, 100] }, workerCpuMs: [7, 9] })]);
  assert.equal(rows.length, 1);
  const cell = (name: string): unknown => rows[0]![header.indexOf(name)];
  assert.deepEqual([cell('busiest worker: rows'), cell('CPU ms'), cell('all workers: CPU ms'), cell('workers')], ['3,500', '9', '16', 2]);
  assert.deepEqual(rowsOfWorkers(generatedBatch(2)), [3_400, 3_400]);
});

test('ticks of a logarithmic axis are few, and rates are over a while', () => {
  assert.deepEqual(logTicks([0.09, 1.2]), [0.1, 0.2, 0.5, 1]);
  assert.deepEqual(logTicks([40, 9_000]), [50, 100, 200, 500, 1_000, 2_000, 5_000]);
  assert.deepEqual(logTicks([0.05, 20_000]), [0.1, 1, 10, 100, 1_000, 10_000]);
  const rates = evaluationRates(generatedChange().moments);
  assert.ok(rates.length >= 30 && rates.every(({ value }) => Math.abs(value - 100) < 1e-9));
});
