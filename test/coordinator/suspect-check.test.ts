import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SuspectCheck } from '../../coordinator/suspect-check.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { status } from '../shared/control-plane/worker-status.js';
import { startBruteForceWorker } from './brute-force-worker.js';
import { randomDataSet } from './test-data.js';

test('one that refuses connections is taken off, once; one that answers stays', async (t) => {
  const controlPlane = createInProcessControlPlane({ workerLeaseMs: 1e9 });
  const { membership } = controlPlane;
  const worker = await startBruteForceWorker({ workerId: 'alive', data: randomDataSet({ rows: 4, partitions: 1 }) });
  const workers = [
    { ...status, workerId: 'alive', instanceId: '1', address: worker.address },
    { ...status, workerId: 'dead', instanceId: '2', address: '127.0.0.1:1' },
  ];
  const log = createLogger('test', 'silent');
  const check = new SuspectCheck({ membership, workerOf: (id) => workers.find((w) => w.workerId === id), onReach: () => {}, log });
  t.after(async () => {
    check.stop();
    worker.stop();
    await controlPlane.close();
  });
  const ids = async (): Promise<string[]> => (await membership.list()).map((w) => w.workerId);
  for (const w of workers) await membership.heartbeat(w);
  for (const id of ['alive', 'dead', 'unknown']) check.suspect(id);
  while ((await ids()).length > 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(await ids(), ['alive']);
  // It goes on sending heartbeats, so it lives and is only out of reach from here.
  await membership.heartbeat(workers[1]!);
  check.suspect('dead');
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual(await ids(), ['alive', 'dead']);
});
