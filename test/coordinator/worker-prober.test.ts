import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { WorkerProber } from '../../coordinator/worker-prober.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { startGrpcServer } from '../../shared/rpc/grpc-server.js';
import { bidi, unary } from '../../shared/rpc/handlers.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { TlsFiles } from '../../shared/tls/tls-files.js';
import { InstalledCertificates, opensslMissing, TestAuthority } from '../support/certificates.js';
import { until } from '../support/until.js';
import { collectingLogger } from '../shared/rpc/server-under-test.js';
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

test(
  'a worker that TLS keeps from us is told once, keeps its lease, and is a member when its files are right',
  { skip: opensslMissing ?? false },
  async (t) => {
    const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
    const installed = new InstalledCertificates([stranger.caFile], authority.sign('worker'));
    const tls = new TlsFiles({ ca: authority.caFile, cert: installed.certFile, key: installed.keyFile });
    const files = new TlsFiles({ ca: installed.caFile, cert: installed.certFile, key: installed.keyFile });
    const worker = await startBruteForceWorker({ workerId: 'a', data, tls });
    const controlPlane = createInProcessControlPlane({ workerLeaseMs: 1e9 });
    const { membership } = controlPlane;
    const lines: Record<string, unknown>[] = [];
    const prober = new WorkerProber({ addresses: [worker.address], membership, log: collectingLogger(lines), intervalMs: 5, tls: { files } });
    t.after(async () => {
      prober.stop();
      worker.stop();
      await controlPlane.close();
    });
    const reasons = (): unknown[] => lines.filter(({ msg }) => msg === 'a worker cannot be reached over TLS').map(({ reason }) => reason);
    const probes = (): number => lines.filter(({ msg }) => String(msg).startsWith('probe failed')).length;
    prober.start();
    await until(() => probes() >= 3, 'it was asked three times');
    assert.deepEqual(reasons(), [`The certificate of ${worker.address} is not of the authority in --tls-ca ${installed.caFile}`]);
    installed.replace([authority.caFile], authority.sign('worker'));
    await until(async () => (await membership.list()).length === 1, 'it is a member');
    // The stream is gone and the next handshake fails: another process may be let in all the same, so this is no death.
    installed.replace([stranger.caFile], authority.sign('worker'));
    worker.stop();
    const again = await startBruteForceWorker({ workerId: 'a', data, tls, listen: worker.address });
    t.after(() => again.stop());
    const before = probes();
    await until(() => reasons().length === 2 && probes() >= before + 4, 'it was refused again and again', 60_000);
    assert.equal((await membership.list()).length, 1);
  },
);
