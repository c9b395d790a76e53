import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Command } from 'commander';

import { clientFlag } from '../../../client/commands/client-flag.js';
import { integer } from '../../../shared/config.js';

test('a flag of a command is read by its parser, its default too, and is no variable', () => {
  const option = clientFlag('--count <N>', 'how many', integer(1, 9), '3');
  assert.deepEqual([option.long, option.defaultValue, option.defaultValueDescription, option.envVar], ['--count', 3, '3', undefined]);
  assert.deepEqual(new Command().addOption(option).parse(['--count', '4'], { from: 'user' }).opts(), { count: 4 });
  assert.equal(clientFlag('--count <N>', 'how many', integer(1, 9)).defaultValue, undefined);
  assert.throws(() => clientFlag('--count <N>', 'how many', integer(1, 9), '10'), { message: /for --count but received "10"/ });
});
