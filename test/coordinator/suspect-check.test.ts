import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { test } from 'node:test';
import { SuspectCheck } from '../../coordinator/suspect-check.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { TlsFiles } from '../../shared/tls/tls-files.js';
import { InstalledCertificates, opensslMissing, TestAuthority } from '../support/certificates.js';
import { until } from '../support/until.js';
import { collectingLogger } from '../shared/rpc/server-under-test.js';
import { status } from '../shared/control-plane/worker-status.js';
import { startBruteForceWorker, type BruteForceWorker } from './brute-force-worker.js';
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

test('one that is silent for a lease is out of reach until it answers again, though it sends heartbeats', async (t) => {
  const controlPlane = createInProcessControlPlane({ workerLeaseMs: 1e9 });
  // It takes connections and says nothing.
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as AddressInfo;
  const address = `127.0.0.1:${port}`;
  const worker = { ...status, workerId: 'silent', instanceId: '1', address };
  const reach: (readonly [string, boolean])[] = [];
  const check = new SuspectCheck({
    membership: controlPlane.membership,
    workerOf: () => worker,
    onReach: (...change) => reach.push(change),
    log: createLogger('test', 'silent'),
    silentMs: 100,
  });
  const revived: BruteForceWorker[] = [];
  t.after(async () => {
    check.stop();
    revived.forEach((each) => each.stop());
    silent.close();
    await controlPlane.close();
  });
  check.suspect('silent');
  while (reach.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(reach, [['silent', false]]);
  sockets.forEach((socket) => socket.destroy());
  await new Promise((resolve) => silent.close(resolve));
  revived.push(await startBruteForceWorker({ workerId: 'silent', data: randomDataSet({ rows: 4, partitions: 1 }), listen: address }));
  while (reach.length === 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(reach[1], ['silent', true]);
});

test(
  'one that TLS keeps from us is not taken off: it is out of reach until its certificates are right',
  { skip: opensslMissing ?? false },
  async (t) => {
    const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
    const own = authority.sign('worker');
    const installed = new InstalledCertificates([stranger.caFile], own);
    const tls = new TlsFiles({ ca: authority.caFile, cert: own.certFile, key: own.keyFile });
    const data = randomDataSet({ rows: 4, partitions: 1 });
    const alive = await startBruteForceWorker({ workerId: 'alive', data, tls });
    const controlPlane = createInProcessControlPlane({ workerLeaseMs: 1e9 });
    const worker = { ...status, workerId: 'alive', instanceId: '1', address: alive.address };
    await controlPlane.membership.heartbeat(worker);
    const reach: boolean[] = [];
    const lines: Record<string, unknown>[] = [];
    const check = new SuspectCheck({
      membership: controlPlane.membership,
      workerOf: () => worker,
      onReach: (_id, reached) => reach.push(reached),
      log: collectingLogger(lines),
      silentMs: 100,
      tls: { files: new TlsFiles({ ca: installed.caFile, cert: installed.certFile, key: installed.keyFile }) },
    });
    t.after(async () => {
      check.stop();
      alive.stop();
      await controlPlane.close();
    });
    check.suspect('alive');
    await until(() => reach.length === 1, 'it is out of reach', 60_000);
    installed.replace([authority.caFile], own);
    await until(() => reach.length === 2, 'it is back', 60_000);
    assert.deepEqual(reach, [false, true]);
    assert.equal((await controlPlane.membership.list()).length, 1);
    assert.equal(lines.filter(({ msg }) => msg === 'a worker cannot be reached over TLS').length, 1);
  },
);
