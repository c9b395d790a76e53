import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Command } from 'commander';

import { allCommands } from '../../../client/commands/all-commands.js';
import { addTlsFlags } from '../../../client/commands/tls-flags.js';

const FLAGS = ['--tls', '--tls-cert', '--tls-key', '--tls-ca', '--tls-server-name'];

test('the flags and the names of their variables are in the help', () => {
  const help = addTlsFlags(new Command()).helpInformation({ error: false }).replace(/\s+/g, ' ');
  for (const flag of FLAGS) assert.ok(help.includes(`(env: GOLDDIFF_${flag.slice(2).toUpperCase().replaceAll('-', '_')})`), flag);
  const command = addTlsFlags(new Command()).exitOverride();
  assert.deepEqual(command.parse(['--tls', '--tls-ca', 'ca'], { from: 'user' }).opts(), { tls: true, tlsCa: 'ca' });
  assert.throws(() => addTlsFlags(new Command()).parse(['--tls-key', ' '], { from: 'user' }), { code: 'ARGUMENT_INVALID' });
});

test('every command that dials an endpoint has them', () => {
  const walk = (command: Command): Command[] => [command, ...command.commands.flatMap(walk)];
  const dialling = walk(allCommands()).filter(({ options }) => options.some(({ long }) => long === '--endpoint'));
  assert.ok(dialling.length >= 12, `${dialling.length} commands dial`);
  for (const command of dialling) {
    const long = command.options.map((option) => option.long);
    for (const flag of FLAGS) assert.ok(long.includes(flag), `golddiff ${command.parent?.name()} ${command.name()} ${flag}`);
  }
});
