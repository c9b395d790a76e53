import assert from 'node:assert/strict';
import { test } from 'node:test';

import { studyCommand } from '../../../client/commands/study.js';

test('the studies are there, each with the flags that all have', () => {
  const names = studyCommand().commands.map((command) => command.name());
  assert.deepEqual(names, ['concentration', 'fidelity', 'sheet']);
  for (const command of studyCommand().commands) {
    const flags = command.options.map((option) => option.long);
    for (const flag of ['--data', '--endpoint', '--images', '--steps', '--seed', '--out', '--json'])
      assert.ok(flags.includes(flag), `${command.name()} has ${flag}`);
  }
});
