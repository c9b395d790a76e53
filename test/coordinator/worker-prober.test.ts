import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkerProber } from '../../coordinator/worker-prober.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { startGrpcServer } from '../../shared/rpc/grpc-server.js';
import { bidi, unary } from '../../shared/rpc/handlers.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
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

test('one answer that is late does not end a lease: a silent worker is asked again soon', async (t) => {
  const told: string[] = [];
  let asked = 0;
  let release = (): void => {};
  const silence = new Promise<void>((resolve) => (release = resolve));
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    services: [
      {
        service: protoPackage.ShardService.service,
        implementation: {
          Describe: unary(async () => {
            if (++asked === 2) await silence;
            return { workerId: 'a', instanceId: 'a-1', backend: 'reference' };
          }),
          Assign: unary(async () => ({})),
          Steps: bidi(async () => {}),
        },
      },
    ],
    log: createLogger('test', 'silent'),
    messageBytesMax: 2 ** 20,
  });
  const controlPlane = createInProcessControlPlane({ workerLeaseMs: 3_000 });
  const { membership } = controlPlane;
  membership.watch((workers) => told.push(workers.map((w) => w.workerId).join()));
  const prober = new WorkerProber({
    addresses: [server.address],
    membership,
    log: createLogger('test', 'silent'),
    intervalMs: 60_000,
    timeoutMs: 300,
  });
  t.after(async () => {
    prober.stop();
    release();
    server.forceStop();
    await controlPlane.close();
  });
  prober.start();
  while (told.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  prober.suspect('a');
  while (asked < 3) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(told, ['a']);
});

test('of two workers with one id only the first is used', async (t) => {
  const { until } = await probing(t, ['a', 'a']);
  await until(1);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(await until(1), ['a']);
});
