import assert from 'node:assert/strict';
import { test } from 'node:test';

import { csvText, markdownTable, readable } from '../../../client/studies/table.js';

test('a markdown table stands in columns, numbers on the right', () => {
  const table = markdownTable({
    header: ['name', 'rows'],
    rows: [
      ['exact', '60,000'],
      ['a|b', 7],
    ],
  });
  assert.equal(table, ['| name  |   rows |', '|-------|-------:|', '| exact | 60,000 |', '| a\\|b  |      7 |', ''].join('\n'));
});

test('a table without rows is its header', () => {
  assert.equal(markdownTable({ header: ['t'], rows: [] }), '| t   |\n|-----|\n');
  assert.equal(csvText({ header: ['t', 'u'], rows: [] }), 't,u\n');
});

test('CSV keeps every digit and quotes what has commas, quotes or lines', () => {
  assert.equal(
    csvText({ header: ['m'], rows: [['paper:k=1,pool=2'], [0.1 + 0.2], ['say "x"'], [true], ['a\nb']] }),
    'm\n"paper:k=1,pool=2"\n0.30000000000000004\n"say ""x"""\ntrue\n"a\nb"\n',
  );
});

test('numbers have three figures, and thousands their commas', () => {
  assert.deepEqual([12345.6, 999.6, 12.345, 0.01234, 0.000123456, 0, -400.4, -12345, NaN, 1].map(readable), [
    ...['12,346', '1,000', '12.3', '0.0123', '1.2e-4', '0', '-400', '-12,345', 'NaN', '1'],
  ]);
});
