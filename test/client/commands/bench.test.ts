import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';

import { benchCommand, benchmarkProgram } from '../../../client/commands/bench.js';

test('every benchmark that is named is a program of the build', () => {
  const names = benchCommand().commands.map((command) => command.name());
  assert.deepEqual(names, ['data-plane']);
  for (const name of names) assert.ok(existsSync(benchmarkProgram(name)), `${name} is built`);
});
