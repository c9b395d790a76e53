import assert from 'node:assert/strict';
import { test } from 'node:test';

import { environment } from './environment.js';

test('a run tells machine, commit, load and the command that repeats it', () => {
  const where = environment(['exact', '--folder', '/some/where', '--rounds', '3']);
  assert.equal(where.command, 'golddiff bench engine exact --folder DIR --rounds 3');
  assert.ok(where.cores >= 1 && where.machine !== '' && where.loadAverage >= 0);
  assert.match(where.node, /^v\d+/);
  assert.match(where.commit, /^([0-9a-f]{7,}\+?|unknown)$/);
  assert.match(where.date, /^\d{4}-\d\d-\d\dT\d\d:\d\dZ$/);
});
