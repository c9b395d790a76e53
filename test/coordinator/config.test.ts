import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinatorCommand, type CoordinatorConfig } from '../../coordinator/config.js';
import { runCommandLine } from '../../shared/config.js';
import { COORDINATOR_STEPS_MAX } from '../../shared/limits.js';

async function parsed(argv: readonly string[]): Promise<{ config: CoordinatorConfig | undefined; status: number }> {
  let config: CoordinatorConfig | undefined;
  const command = coordinatorCommand(async (given) => void (config = given));
  return { status: await runCommandLine(command, argv), config };
}

test('flags become the configuration, with defaults from the limits', async () => {
  const { config } = await parsed(['--data', 'mnist', '--workers', '127.0.0.1:1,host:2', '--replicas', '2', '--metrics-listen', 'off']);
  assert.deepEqual(config!.workers, ['127.0.0.1:1', 'host:2']);
  assert.equal(config!.replicas, 2);
  assert.equal(config!.metricsListen, 'off');
  assert.equal(config!.stepsMax, COORDINATOR_STEPS_MAX);
});

test('a flag that is missing or wrong ends with status 2', async () => {
  for (const argv of [[], ['--data', 'x'], ['--data', 'x', '--workers', 'nowhere'], ['--data', 'x', '--workers', 'a:1', '--replicas', '0']]) {
    assert.equal((await parsed(argv)).status, 2);
  }
});
