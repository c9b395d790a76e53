import assert from 'node:assert/strict';
import { after, before, it, test } from 'node:test';
import { createNatsControlPlane, type NatsControlPlane } from '../../../../shared/control-plane/nats/control-plane.js';
import { createLogger } from '../../../../shared/log.js';
import { NatsSession } from '../../../../shared/control-plane/nats/session.js';
import { natsMissing, startNats, type NatsServers } from '../../../support/nats-server.js';
import { until } from '../../../support/nats-sessions.js';
import { controlPlaneContract } from '../contract.js';
import { status } from '../worker-status.js';

const TIMES = { workerLeaseMs: 800, jobLeaseMs: 4_000, noticeMs: 5_000 };
const log = createLogger('test', 'silent');
let nats: NatsServers;
let planes = 0;

const open = (more: Partial<Parameters<typeof createNatsControlPlane>[0]> = {}): Promise<NatsControlPlane> =>
  createNatsControlPlane({
    servers: nats.addresses,
    log,
    namespace: `t${++planes}`,
    workerLeaseMs: TIMES.workerLeaseMs,
    leaderLeaseMs: TIMES.workerLeaseMs,
    ...more,
  });
before(async () => {
  if (natsMissing === undefined) nats = await startNats();
});
after(() => nats?.dispose());

controlPlaneContract(
  'nats',
  TIMES,
  async () => {
    const plane = await open();
    return { plane, pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)), dispose: () => plane.close() };
  },
  natsMissing,
);

test('two planes of one namespace see the same, and another namespace none of it', { skip: natsMissing ?? false }, async () => {
  const namespace = 'shared';
  const [a, b, other] = await Promise.all([open({ namespace }), open({ namespace }), open()]);
  await a.membership.heartbeat(status);
  assert.deepEqual(await b.membership.list(), [status]);
  assert.deepEqual(await other.membership.list(), []);
  await a.jobs.submit('j', new Uint8Array([1]));
  assert.equal((await b.jobs.get('j'))?.state, 'queued');
  assert.deepEqual(
    (await b.jobs.list(5)).map(({ jobId }) => jobId),
    ['j'],
  );
  const lease = await b.jobs.take(TIMES.jobLeaseMs, 5);
  assert.equal((await a.jobs.get('j'))?.state, 'running');
  await a.jobs.cancel('j');
  assert.equal(await lease?.progress(new Uint8Array(0)), false, 'the other process hears of it at its next word');
  const document = { dataSet: 'd', contentHash: '', epoch: 1, partitions: [] };
  const won = await Promise.all([a, b].map(({ placements }) => placements.compareAndSet(document, 0)));
  assert.deepEqual(won.filter(Boolean).length, 1);
  await Promise.all([a, b, other].map((plane) => plane.close()));
});

test('an outage of NATS ends no lease, and what was known stays', { skip: natsMissing ?? false }, async (t) => {
  const own = await startNats();
  const plane = await open({ servers: own.addresses });
  try {
    await plane.membership.heartbeat(status);
    const left: number[] = [];
    plane.membership.watch((workers) => left.push(workers.length));
    await plane.membership.list();
    await own.servers[0]!.kill();
    await new Promise((resolve) => setTimeout(resolve, 3 * TIMES.workerLeaseMs));
    assert.ok(!left.includes(0), 'three leases of silence from everybody are nobody’s death');
    await own.servers[0]!.restart();
    const beat = setInterval(() => void plane.membership.heartbeat(status).catch(() => {}), 50);
    const backMs = await until(async () => (await plane.membership.list().catch(() => [])).length === 1, 'NATS is heard again');
    t.diagnostic(`heard again ${Math.round(backMs)} ms after the server's start`);
    clearInterval(beat);
    await until(async () => (await plane.membership.list()).length === 0, 'then silence counts again');
  } finally {
    await plane.close();
    await own.dispose();
  }
});

test('three servers with three replicas go on when the one that leads is lost', { skip: natsMissing ?? false }, async (t) => {
  const cluster = await startNats(3);
  const planes: NatsControlPlane[] = [];
  let watcher: NatsSession | undefined;
  try {
    // The servers elect a leader of their own first.
    const connectMs = await until(
      async () => {
        const plane = await open({ servers: cluster.addresses, namespace: 'r3', replicas: 3 }).catch(() => undefined);
        if (plane !== undefined) planes.push(plane);
        return plane !== undefined;
      },
      'a cluster that keeps data',
      30_000,
    );
    planes.push(await open({ servers: cluster.addresses, namespace: 'r3', replicas: 3 }));
    const [a, b] = planes as [NatsControlPlane, NatsControlPlane];
    const heard: number[] = [];
    b.placements.watch('d', ({ epoch }) => heard.push(epoch));
    await a.jobs.submit('before', new Uint8Array([1]));
    await a.placements.compareAndSet({ dataSet: 'd', contentHash: '', epoch: 1, partitions: [] }, 0);
    await until(() => heard.includes(1), 'a placement');
    let leads = false;
    b.leadership.campaign('b', (leading) => (leads = leading));
    await until(() => leads, 'a leader');
    watcher = await NatsSession.open({ servers: cluster.addresses, namespace: 'r3', replicas: 3, clientName: 'watcher' });
    for (const lost of cluster.servers) {
      let epoch = 0;
      await lost.kill();
      const tried = async (): Promise<boolean> => {
        const known = await a.placements.get('d').catch(() => undefined);
        if (known === undefined) return false;
        epoch = known.epoch + 1;
        return a.placements.compareAndSet({ ...known, epoch }, known.epoch).catch(() => false);
      };
      const writtenMs = await until(tried, 'a write', 30_000);
      const heardMs = await until(() => heard.includes(epoch), 'the watch hears of it', 30_000);
      await until(() => leads, 'b leads again');
      t.diagnostic(`without ${lost.address}: a write after ${Math.round(writtenMs)} ms, heard ${Math.round(heardMs)} ms later`);
      await lost.restart();
      // Two of three must agree: the next may only go when this one has caught up.
      await until(() => allCurrent(watcher), 'the server that came back has caught up', 60_000);
      assert.equal((await a.jobs.get('before'))?.state, 'queued');
    }
    t.diagnostic(`the cluster was ready ${Math.round(connectMs)} ms after its start`);
    const lease = await b.jobs.take(5_000, 5);
    assert.equal(lease?.job.jobId, 'before');
    await lease?.succeed();
  } finally {
    await Promise.all([...planes.map((plane) => plane.close()), watcher?.close()]);
    await cluster.dispose();
  }
});

/** Every stream has its three copies, all with the same in them. */
async function allCurrent(session: NatsSession | undefined): Promise<boolean> {
  try {
    let streams = 0;
    for await (const { cluster } of session!.manager.streams.list()) {
      streams++;
      if (cluster?.leader === undefined || cluster.replicas?.length !== 2 || cluster.replicas.some(({ current }) => !current)) return false;
    }
    return streams > 0;
  } catch {
    return false;
  }
}

it('says in one sentence that nobody answers', async () => {
  await assert.rejects(createNatsControlPlane({ servers: ['127.0.0.1:1'], log, connectTimeoutMs: 300 }), {
    code: 'CONTROL_PLANE_LOST',
    message: 'Expected a NATS server at 127.0.0.1:1 within 300 ms but none answered',
  });
});
