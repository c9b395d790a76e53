import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { statusText } from '../../../client/commands/cluster-operations.js';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../../client/embedded-cluster.js';
import { importMnist } from '../../support/data-sets.js';

const program = fileURLToPath(new URL('../../../client/main.js', import.meta.url));
const golddiff = (...args: string[]) => promisify(execFile)(process.execPath, [program, ...args, '--endpoint', cluster.endpoint]);
let cluster: EmbeddedCluster;

before(async () => {
  cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, 200, 4), shards: 2 });
});
after(() => cluster.stop());

test('status as JSON and as a table; a worker is drained and gets work again, with a static list of workers too', async () => {
  const status = JSON.parse((await golddiff('cluster', 'status', '--json')).stdout) as Parameters<typeof statusText>[0];
  assert.deepEqual([status.controlPlane, status.coverage, status.workers.length, status.partitions.length], ['in-process', 1, 2, 4]);
  assert.equal((await golddiff('cluster', 'drain', 'worker-0')).stdout, 'worker-0 is empty and may be stopped\n');
  const { stdout } = await golddiff('cluster', 'status');
  assert.match(stdout, /^data set {4}mnist/);
  assert.match(stdout, /worker-0 .* draining/);
  assert.match(stdout, /coverage {4}100\.00 %/);
  await assert.rejects(golddiff('cluster', 'drain', 'worker-1', '--wait-ms', '500'), {
    code: 1,
    stderr: /^worker-1 still has 4 partitions and 0 open steps after 500 ms; 0 other workers take work\n$/,
  });
  assert.equal((await golddiff('cluster', 'drain', 'worker-0', '--undo')).stdout, 'worker-0 gets work again\n');
  await assert.rejects(golddiff('cluster', 'drain', 'nobody'), { code: 1, stderr: /^Expected one of the workers worker-0, worker-1/ });
});

test('failures and missing replicas are told', () => {
  const worker = { workerId: 'w', address: 'h:1', backend: 'native', deviceMemoryBytes: 2 ** 30, deviceMemoryUsedBytes: 2 ** 29, openSteps: 0 };
  const text = statusText({
    controlPlane: 'nats',
    coordinator: 'c',
    leader: '',
    dataSet: 'd',
    contentHash: 'ab',
    placementEpoch: 3,
    replicasWanted: 2,
    coverage: 0.5,
    stepsRunning: 1,
    stepsWaiting: 0,
    workers: [{ ...worker, draining: false, partitionsPlaced: 1, partitionsHeld: 1, failures: ['partition 1: FILE_INVALID: bad'] }],
    partitions: [
      { id: 0, rows: 5, replicas: ['w'] },
      { id: 1, rows: 5, replicas: [] },
    ],
  });
  for (const part of ['leader none', '50.00 %', '2 partitions have fewer', 'failed      w: partition 1: FILE_INVALID: bad', '1 failed', '0.50'])
    assert.ok(text.includes(part), part);
});
