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
  assert.deepEqual([config!.hedgePercent, config!.hedgePercentile, config!.hedgeDelayMs], [5, 95, 20]);
});

test('a flag that is missing or wrong ends with status 2', async () => {
  for (const argv of [
    [],
    ['--data', 'x'],
    ['--data', 'x', '--workers', 'nowhere'],
    ['--data', 'x', '--workers', 'a:1', '--replicas', '0'],
    ['--data', 'x', '--workers', 'a:1', '--hedge-percentile', '100'],
    ['--data', 'x', '--workers', 'a:1', '--nats', 'a:1'],
  ]) {
    assert.equal((await parsed(argv)).status, 2);
  }
});

test('workers come by a list or by NATS', async () => {
  const { config, status } = await parsed(['--data', 'mnist', '--nats', 'nats://a:4222,b:4222', '--cluster-name', 'prod', '--expected-workers', '3']);
  assert.equal(status, 0);
  assert.deepEqual(
    [config!.workers, config!.nats, config!.clusterName, config!.expectedWorkers],
    [undefined, ['nats://a:4222', 'b:4222'], 'prod', 3],
  );
  assert.notEqual(config!.coordinatorId, '');
});
