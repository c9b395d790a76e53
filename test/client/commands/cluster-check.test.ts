import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { checkText } from '../../../client/commands/cluster-check.js';
import type { ClusterCheck } from '../../../client/cluster-check.js';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../../client/embedded-cluster.js';
import { importMnist } from '../../support/data-sets.js';

const program = fileURLToPath(new URL('../../../client/main.js', import.meta.url));
const check = (...args: string[]) => promisify(execFile)(process.execPath, [program, 'cluster', 'check', ...args]);
let cluster: EmbeddedCluster;

before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 200, 4), shards: 2 });
});
after(() => cluster.stop());

test('a whole cluster passes, as text and as JSON', async () => {
  const { stdout } = await check('--endpoint', cluster.endpoint, '--batch', '3');
  assert.match(stdout, /^data set {3}mnist\S*: 200 rows of \[1, 28, 28\], all of them served$/m);
  assert.match(stdout, /^exact {6}3 queries in /m);
  const result = JSON.parse((await check('--endpoint', cluster.endpoint, '--json')).stdout) as ClusterCheck;
  assert.deepEqual([result.batch, result.rows, result.repeatDifference], [8, 200, 0]);
  assert.equal(checkText(result).split('\n').length, 5);
});

test('a cluster that is not there fails the check with status 1, also after a wait', async () => {
  await assert.rejects(check('--endpoint', '127.0.0.1:1', '--wait-ms', '1500'), { code: 1, stderr: /asked again\n.*127\.0\.0\.1:1/s });
  await assert.rejects(check('--endpoint', cluster.endpoint, '--batch', '0'), { code: 2 });
});
