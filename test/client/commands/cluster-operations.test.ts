import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { statusText } from '../../../client/commands/cluster-operations.js';
import type { ClusterInfo } from '../../../client/golddiff-client.js';
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
  const status = JSON.parse((await golddiff('cluster', 'status', '--json')).stdout) as ClusterInfo;
  assert.deepEqual([status.controlPlane, status.coverage, status.workers.length, status.partitions.length], ['in-process', 1, 2, 4]);
  assert.ok(status.placementEpoch > 0 && status.workers.every(({ epoch }) => epoch === status.placementEpoch));
  assert.deepEqual(status.jobs, {
    ...{ queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
    ...{ oldestQueuedUnixMs: 0, redeliveries: 0, deadLetters: 0 },
  });
  assert.equal((await golddiff('cluster', 'drain', 'worker-0')).stdout, 'worker-0 is empty and may be stopped\n');
  const { stdout } = await golddiff('cluster', 'status');
  assert.match(stdout, /^data set {4}mnist/);
  assert.match(stdout, /worker-0 .* draining/);
  assert.match(stdout, /coverage {4}100\.00 %/);
  assert.match(stdout, /^jobs {8}0 queued, 0 running, 0 succeeded/m);
  assert.match(stdout, /^\| +0\.\.3 \| +200 \| worker-1 /m);
  await assert.rejects(golddiff('cluster', 'drain', 'worker-1', '--wait-ms', '500'), {
    code: 1,
    stderr: /^worker-1 still has 4 partitions and 0 open steps after 500 ms; 0 other workers take work\n$/,
  });
  assert.equal((await golddiff('cluster', 'drain', 'worker-0', '--undo')).stdout, 'worker-0 gets work again\n');
  await assert.rejects(golddiff('cluster', 'drain', 'nobody'), { code: 1, stderr: /^Expected one of the workers worker-0, worker-1/ });
});

test('failures, missing replicas, the queue of jobs and who holds what are told', () => {
  const worker = { workerId: 'w', address: 'h:1', backend: 'native', deviceMemoryBytes: 2 ** 30, deviceMemoryUsedBytes: 2 ** 29, openSteps: 0 };
  const status: ClusterInfo = {
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
    workers: [{ ...worker, epoch: 2, draining: false, partitionsPlaced: 1, partitionsHeld: 1, failures: ['partition 3: FILE_INVALID: bad'] }],
    partitions: [
      { id: 0, rows: 5, replicas: ['w', 'v'] },
      { id: 1, rows: 5, replicas: ['w', 'v'] },
      { id: 2, rows: 5, replicas: ['v', 'w'] },
      { id: 3, rows: 5, replicas: [] },
    ],
    jobs: { queued: 2, running: 1, succeeded: 4, failed: 1, cancelled: 0, oldestQueuedUnixMs: 10_000, redeliveries: 3, deadLetters: 1 },
  };
  const text = statusText(status, 22_400);
  for (const part of ['leader none', '50.00 %', '1 partitions have fewer', 'failed      w: partition 3: FILE_INVALID: bad', '1 failed', '0.50'])
    assert.ok(text.includes(part), part);
  assert.match(text, /^jobs {8}2 queued \(the oldest for 12 s\), 1 running, 4 succeeded, 1 failed, 0 cancelled; 3 redeliveries, 1 dead letters$/m);
  assert.match(text, /^\| +0\.\.1 \| +10 \| w, v +\|$/m);
  assert.match(text, /^\| +2 \| +5 \| v, w +\|\n\| +3 \| +5 \| nobody +\|$/m);
  assert.match(statusText({ ...status, jobs: null }), /^jobs {8}not known: the control plane does not answer/m);
});
