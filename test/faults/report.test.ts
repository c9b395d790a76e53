import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { packageRoot } from '../../shared/package-root.js';
import { FAULTS } from './all-faults.js';
import { BEGIN, END, figuresText, withTable, type FaultRun } from './report.js';

const figures = {
  answers: 12,
  errors: { DRAINING: 2 },
  late: 3,
  longestMs: 31.4,
  troubleMs: 0,
  recoveredMs: 271,
  recovery: 'all is well',
  notes: ['seen'],
};
const run: FaultRun = {
  outcomes: [
    { fault: { name: 'one dies', holds: 'no job is lost' }, figures },
    { fault: { name: 'no disk', holds: '', skip: 'needs root' }, figures: undefined },
  ],
  ...{ cores: 2, node: 'v20', commit: 'abc', date: 'today', command: 'npm run test:faults', seconds: 61 },
};

test('the table takes the place of the one before, and nothing else changes', () => {
  const once = withTable(`above\n${BEGIN}\nold\n${END}\nbelow\n`, run);
  assert.match(once, /^above\n/);
  assert.match(once, /\nbelow\n$/);
  assert.doesNotMatch(once, /old/);
  assert.match(once, /1 faults ran and held, 1 were skipped/);
  assert.match(once, /\| one dies \| +12 \| 2 DRAINING \| +3 \| +31 \| +0 \| 271 ms: all is well \|/);
  assert.match(once, /- skipped: no disk: needs root/);
  assert.equal(withTable(once, run), once);
  assert.throws(() => withTable('no place', run));
});

test('the figures of one fault are a line', () => {
  assert.equal(
    figuresText(figures),
    '12 answers, all the same bytes; errors: 2 DRAINING; 3 late; longest answer 31 ms; as before after 0 ms; all is well: 271 ms; seen',
  );
});

test('docs/RELIABILITY.md has a row, or a skip, for every fault', () => {
  const document = readFileSync(path.join(packageRoot, 'docs/RELIABILITY.md'), 'utf8');
  const missing = FAULTS.filter(({ name }) => !document.includes(`| ${name} `) && !document.includes(`- skipped: ${name}:`));
  assert.deepEqual(
    missing.map(({ name }) => name),
    [],
  );
  assert.equal(new Set(FAULTS.map(({ name }) => name)).size, FAULTS.length);
});
