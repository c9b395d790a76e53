import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkerProber } from '../../coordinator/worker-prober.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { startBruteForceWorker } from './brute-force-worker.js';
import { randomDataSet } from './test-data.js';

const data = randomDataSet({ rows: 20, partitions: 2 });

async function probing(t: TestContext, ids: readonly string[]) {
  const controlPlane = createInProcessControlPlane();
  const workers = await Promise.all(ids.map((workerId) => startBruteForceWorker({ workerId, data })));
  const addresses = workers.map((w) => w.address);
  const prober = new WorkerProber({ addresses, membership: controlPlane.membership, log: createLogger('test', 'silent'), intervalMs: 20 });
  t.after(async () => {
    prober.stop();
    workers.forEach((w) => w.stop());
    await controlPlane.close();
  });
  prober.start();
  const until = async (count: number): Promise<readonly string[]> => {
    for (;;) {
      const live = (await controlPlane.membership.list()).map((w) => w.workerId);
      if (live.length === count) return live;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { workers, prober, controlPlane, until };
}

test('workers that answer are members, with what they say of themselves', async (t) => {
  const { workers, controlPlane, until } = await probing(t, ['a', 'b']);
  workers[0]!.held = [1];
  workers[0]!.epoch = 7;
  assert.deepEqual(await until(2), ['a', 'b']);
  for (;;) {
    const [a] = await controlPlane.membership.list();
    if (a!.held[0]?.epoch === 7) {
      assert.equal(a!.address, workers[0]!.address);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
});

test('a worker whose address refuses connections is taken off long before its lease ends', async (t) => {
  const { workers, prober, until } = await probing(t, ['a', 'b']);
  await until(2);
  workers[1]!.stop();
  prober.suspect('b');
  assert.deepEqual(await until(1), ['a']);
});

test('of two workers with one id only the first is used', async (t) => {
  const { until } = await probing(t, ['a', 'a']);
  await until(1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(await until(1), ['a']);
});
