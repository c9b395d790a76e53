import assert from 'node:assert/strict';
import { test } from 'node:test';

import { metricValue, recallBetween, sectionOf } from './scaling.js';

test('a metric is read out of the text of its endpoint', () => {
  const text = '# HELP golddiff_worker_indexes_ready Indexes.\ngolddiff_worker_indexes_ready 12\ngolddiff_worker_index_bytes 7\n';
  assert.equal(metricValue(text, /^golddiff_worker_indexes_ready\b/), 12);
  assert.equal(metricValue(text, /^golddiff_absent\b/), undefined);
});

test('the table has a column for each size and the exponent of each method', () => {
  const of = (method: 'exact' | 'scan' | 'hnsw', exponent: number) =>
    [1_000, 4_000, 16_000].map((rows) => ({
      rows,
      t: 100,
      method,
      ms: [rows ** exponent],
      ...(rows < 16_000 && { recall: { searches: 4, mean: 0.99 } }),
    }));
  const { tables, requirements } = sectionOf([...of('exact', 1), ...of('scan', 0.9), ...of('hnsw', 0.2).slice(1)], []);
  assert.deepEqual(tables[0]!.headings.slice(0, -1), ['t', 'search', '1000 rows, ms', '4000 rows, ms', '16000 rows, ms', 'exponent of N']);
  assert.deepEqual(
    tables[0]!.rows.map((row) => [row[1], row[2] === '-', ...row.slice(-2)]),
    [
      ['exact', false, '1.00', '-'],
      ['scan', false, '0.90', '-'],
      ['hnsw', true, '0.20', '0.990 of 4, -'],
    ],
  );
  assert.equal(requirements.length, 1);
  assert.ok(Math.abs(requirements[0]!.measured - 0.2) < 1e-9);
});

test('the recall of a level is that of the searches compared meanwhile', () => {
  const recall = recallBetween({ searches: 10, sum: 5 }, { searches: 14, sum: 8.9 });
  assert.equal(recall?.searches, 4);
  assert.ok(Math.abs((recall?.mean ?? 0) - 0.975) < 1e-12);
  assert.equal(recallBetween({ searches: 10, sum: 5 }, { searches: 10, sum: 5 }), undefined);
});
