import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';

import { connect } from '../../../client/golddiff-client.js';
import { importMnist } from '../../support/data-sets.js';

const golddiff = fileURLToPath(new URL('../../../client/main.js', import.meta.url));

test('a cluster in the foreground prints its endpoints, answers, and ends in order by SIGINT', async () => {
  const data = await importMnist(0, 200, 4);
  const child = spawn(process.execPath, [golddiff, 'cluster', '--data', data, '--shards', '2', '--listen', '127.0.0.1:0', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const line = await new Promise<string>((resolve) => child.stdout.once('data', (text: Buffer) => resolve(text.toString())));
  const { endpoint, metrics } = JSON.parse(line) as { endpoint: string; metrics: Record<string, string> };
  assert.deepEqual(Object.keys(metrics), ['coordinator', 'shard worker 0', 'shard worker 1']);
  const client = connect(endpoint);
  assert.equal((await client.datasets.get()).rows, 200);
  client.close();
  for (const address of Object.values(metrics)) assert.match(await (await fetch(`http://${address}/metrics`)).text(), /^# HELP golddiff_/m);
  child.kill('SIGINT');
  assert.equal(await new Promise((resolve) => child.once('exit', resolve)), 0);
  await assert.rejects(fetch(`http://${metrics['coordinator']}/metrics`));
});

test('credentials without the URL of a NATS server are refused', () => {
  for (const nats of [[], ['--nats']]) {
    const { status, stderr } = spawnSync(process.execPath, [golddiff, 'cluster', '--data', 'any', ...nats, '--nats-user', 'u'], { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [2, `Expected --nats with a URL for --nats-user but received "${nats.length === 0 ? 'none' : 'no URL'}"\n`]);
  }
});
