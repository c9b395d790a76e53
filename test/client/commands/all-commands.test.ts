import assert from 'node:assert/strict';
import { test } from 'node:test';

import { allCommands } from '../../../client/commands/all-commands.js';

test('every command has a name and a description of its own', () => {
  const commands = allCommands().commands.map((command) => [command.name(), command.description()]);
  assert.equal(new Set(commands.map(([name]) => name)).size, commands.length);
  for (const [name, description] of commands) assert.ok((description ?? '').length > 10, name);
  assert.ok(commands.some(([name]) => name === 'health'));
});
