import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkText } from '../../../client/commands/cluster-check.js';
import type { ClusterCheck } from '../../../client/cluster-check.js';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../../client/embedded-cluster.js';
import { run, type CommandRun } from '../../support/command.js';
import { importMnist } from '../../support/data-sets.js';

const check = (...args: string[]): Promise<CommandRun> => run(['cluster', 'check', ...args]);
let cluster: EmbeddedCluster;

before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 200, 4), shards: 2 });
});
after(() => cluster.stop());

test('a whole cluster passes, as text and as JSON', async () => {
  const { out } = await check('--endpoint', cluster.endpoint, '--batch', '3');
  assert.match(out, /^data set {3}mnist\S*: 200 rows of \[1, 28, 28\], all of them served$/m);
  assert.match(out, /^exact {6}3 queries in /m);
  const result = JSON.parse((await check('--endpoint', cluster.endpoint, '--json')).out) as ClusterCheck;
  assert.deepEqual([result.batch, result.rows, result.repeatDifference], [8, 200, 0]);
  assert.equal(checkText(result).split('\n').length, 5);
});

test('a cluster that is not there fails the check with status 1, also after a wait', async () => {
  const absent = await check('--endpoint', '127.0.0.1:1', '--wait-ms', '1500');
  assert.equal(absent.status, 1);
  assert.match(absent.err, /asked again\n.*127\.0\.0\.1:1/s);
  assert.equal((await check('--endpoint', cluster.endpoint, '--batch', '0')).status, 2);
});

test('what TLS refuses is not waited for', async () => {
  assert.deepEqual(await check('--endpoint', cluster.endpoint, '--tls', '--wait-ms', '3600000'), {
    status: 1,
    out: '',
    err: `Expected TLS from ${cluster.endpoint} but it speaks plain text\n`,
  });
});
