import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Command } from 'commander';
import { clusterName, natsFlags } from '../../../../shared/control-plane/nats/flags.js';

it('reads names that streams can be made of', () => {
  assert.equal(clusterName('prod-1', '--cluster-name'), 'prod-1');
  for (const wrong of ['', 'a.b', 'a_b', 'x'.repeat(65)]) assert.throws(() => clusterName(wrong, '--cluster-name'), { code: 'ARGUMENT_INVALID' });
});

it('has no NATS where it is not asked for, one copy and a name by default', () => {
  const command = new Command();
  for (const option of natsFlags()) command.addOption(option);
  assert.deepEqual(command.parse([], { from: 'user' }).opts(), { clusterName: 'golddiff', natsReplicas: 1 });
  assert.throws(() => command.parse(['--nats-replicas', '2'], { from: 'user' }), { code: 'ARGUMENT_INVALID' });
});
