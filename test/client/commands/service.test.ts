import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { runProgram, serviceCommand } from '../../../client/commands/service.js';

const program = fileURLToPath(new URL('../../support/small-service.js', import.meta.url));

test('the exit status of the program is ours', async () => {
  assert.equal(await runProgram(program, ['dies']), 3);
  assert.equal(await runProgram(program, ['refuses']), 1);
});

test('a signal to the command reaches the service, which stops in order', async () => {
  const module = new URL('../../../client/commands/service.js', import.meta.url).href;
  const script = `import(${JSON.stringify(module)}).then(async ({ runProgram }) => process.exit(await runProgram(${JSON.stringify(program)}, ['ready'])))`;
  const command = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'inherit', 'pipe'] });
  await new Promise((resolve) => command.stderr.once('data', resolve));
  await new Promise((resolve) => setTimeout(resolve, 500));
  command.kill('SIGTERM');
  assert.equal(await new Promise((resolve) => command.once('exit', resolve)), 0);
});

test('every argument is passed through, flags of help too', () => {
  const command = serviceCommand('coordinator', 'x');
  assert.equal(command.name(), 'coordinator');
  assert.equal(command.registeredArguments[0]?.variadic, true);
});
