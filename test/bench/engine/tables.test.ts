import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isMet, renderMarkdown, renderPlain, renderSection, verdict, type Requirement } from './tables.js';

const table = {
  title: 'Steps',
  headings: ['where', 'ms'],
  rows: [
    ['here', '1.00'],
    ['far away', '12.0'],
  ],
};

test('a table on the terminal has words to the left and numbers to the right', () => {
  assert.equal(renderPlain(table), ['Steps', 'where       ms', 'here      1.00', 'far away  12.0'].join('\n'));
});

test('a table for the documents is Markdown with the same cells', () => {
  assert.equal(renderMarkdown(table), ['**Steps**', '', '| where | ms |', '| :--- | ---: |', '| here | 1.00 |', '| far away | 12.0 |'].join('\n'));
});

test('a requirement is met on its own side of the limit and on the limit', () => {
  const least: Requirement = { name: 'speed', measured: 2, limit: 2, wanted: 'at least' };
  assert.ok(isMet(least) && !isMet({ ...least, measured: 1.99 }));
  const most: Requirement = { ...least, wanted: 'at most' };
  assert.ok(isMet(most) && !isMet({ ...most, measured: 2.01 }));
  assert.ok(!isMet({ ...least, measured: NaN }), 'what was not measured is not met');
  assert.equal(verdict({ ...least, measured: 1.5 }), 'speed: 1.50, at least 2.00 wanted: NOT met');
  assert.equal(verdict(most), 'speed: 2.00, at most 2.00 wanted: met');
});

test('a section tells tables, then verdicts, then notes, and leaves out what is empty', () => {
  const requirement: Requirement = { name: 'speed', measured: 3, limit: 2, wanted: 'at least' };
  const whole = renderSection({ tables: [table], requirements: [requirement], notes: ['torch is left out'], results: {} }, true);
  assert.match(whole, /\*\*Steps\*\*[^]*\n\n- speed: 3\.00, at least 2\.00 wanted: met\n- torch is left out$/);
  assert.equal(renderSection({ tables: [], requirements: [], notes: ['nothing ran'], results: {} }, false), 'nothing ran');
});
