import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { PlacementController } from '../../coordinator/placement-controller.js';
import { WorkerLinks } from '../../coordinator/worker-links.js';
import type { ControlPlane, PlacementDocument, WorkerStatus } from '../../shared/control-plane/control-plane.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { startBruteForceWorker, type BruteForceOptions, type BruteForceWorker } from './brute-force-worker.js';
import { randomDataSet } from './test-data.js';

const data = randomDataSet({ rows: 80, partitions: 8 });
const name = data.manifest.name;

interface Setting {
  readonly controlPlane: ControlPlane;
  readonly controller: PlacementController;
  join(workerId: string, options?: Partial<BruteForceOptions>): Promise<BruteForceWorker>;
  status(worker: BruteForceWorker, more?: Partial<WorkerStatus>): WorkerStatus;
  /** the first document that the condition holds for */
  placed(condition: (document: PlacementDocument) => boolean): Promise<PlacementDocument>;
}

function setting(t: TestContext, options: { expected: number; replicas?: number; settleMs?: number; fetchAgainMs?: number }): Setting {
  const controlPlane = createInProcessControlPlane({ workerLeaseMs: 1e9 });
  const links = new WorkerLinks();
  const controller = new PlacementController({
    manifest: data.manifest,
    controlPlane,
    links,
    replicas: options.replicas ?? 1,
    expectedWorkers: options.expected,
    log: createLogger('test', 'silent'),
    settleMs: options.settleMs ?? 20_000,
    ...(options.fetchAgainMs === undefined ? {} : { fetchAgainMs: options.fetchAgainMs }),
  });
  const workers: BruteForceWorker[] = [];
  t.after(async () => {
    controller.stop();
    links.close();
    workers.forEach((w) => w.stop());
    await controlPlane.close();
  });
  controller.start();
  const status = (worker: BruteForceWorker, more: Partial<WorkerStatus> = {}): WorkerStatus => ({
    workerId: worker.workerId,
    instanceId: `${worker.workerId} first`,
    address: worker.address,
    backend: 'reference',
    deviceMemoryBytes: 0,
    deviceMemoryUsedBytes: 0,
    openSteps: 0,
    draining: false,
    held: [],
    ...more,
  });
  return {
    controlPlane,
    controller,
    status,
    join: async (workerId, more = {}) => {
      const worker = await startBruteForceWorker({ workerId, data, ...more });
      workers.push(worker);
      await controlPlane.membership.heartbeat(status(worker));
      return worker;
    },
    placed: async (condition) => {
      for (;;) {
        const document = await controlPlane.placements.get(name);
        if (document !== undefined && condition(document)) return document;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  };
}
const covered = (document: PlacementDocument): boolean => document.partitions.every((p) => p.replicas.length > 0);
const holders = (document: PlacementDocument): string[] => [...new Set(document.partitions.flatMap((p) => p.replicas))].sort();

test('the first placement waits for the listed workers and is loaded before it takes effect', async (t) => {
  const s = setting(t, { expected: 2 });
  const a = await s.join('a');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await s.controlPlane.placements.get(name), undefined);
  const b = await s.join('b');
  await s.controller.settled;
  const document = await s.placed(covered);
  assert.deepEqual(holders(document), ['a', 'b']);
  for (const worker of [a, b]) {
    assert.equal(worker.epoch, document.epoch);
    assert.deepEqual(
      worker.held,
      document.partitions.filter((p) => p.replicas.includes(worker.workerId)).map((p) => p.partition),
    );
    assert.equal(worker.log.length, 1);
  }
});

test('after the time to settle it goes on with the workers that came', async (t) => {
  const s = setting(t, { expected: 3, settleMs: 0 });
  await s.join('a');
  assert.deepEqual(holders(await s.placed(covered)), ['a']);
});

test('the partitions of a worker that leaves go to the others, and come to one that joins', async (t) => {
  const s = setting(t, { expected: 2 });
  await s.join('a');
  const b = await s.join('b');
  const first = await s.placed(covered);
  await s.controlPlane.membership.remove('a');
  const second = await s.placed((d) => d.epoch > first.epoch && covered(d));
  assert.deepEqual(holders(second), ['b']);
  await s.join('c');
  const third = await s.placed((d) => d.epoch > second.epoch && covered(d));
  assert.equal(third.partitions.filter((p) => p.replicas.includes('c')).length, 4);
  assert.equal(b.epoch, third.epoch);
});

test('a worker that drains gets no partitions', async (t) => {
  const s = setting(t, { expected: 2 });
  const a = await s.join('a');
  await s.join('b');
  const first = await s.placed(covered);
  await s.controlPlane.membership.heartbeat(s.status(a, { draining: true }));
  assert.deepEqual(holders(await s.placed((d) => d.epoch > first.epoch)), ['b']);
});

test('a partition that one worker cannot load goes to another', async (t) => {
  const s = setting(t, { expected: 2 });
  await s.join('a', { broken: [0, 1, 2, 3, 4, 5, 6, 7] });
  await s.join('b');
  await s.controller.settled;
  assert.deepEqual(holders(await s.placed(covered)), ['b']);
});

test('a partition that nobody can load is left without replicas', async (t) => {
  const s = setting(t, { expected: 2, replicas: 2 });
  await s.join('a', { broken: [6] });
  await s.join('b', { broken: [6] });
  await s.controller.settled;
  const document = (await s.controlPlane.placements.get(name))!;
  assert.deepEqual(
    document.partitions.filter((p) => p.replicas.length === 0).map((p) => p.partition),
    [6],
  );
});

test('what no worker could fetch is tried again after a while, and what is broken is not', async (t) => {
  const s = setting(t, { expected: 1, fetchAgainMs: 50 });
  const away = [6, 7];
  const a = await s.join('a', { broken: away, failure: 'DATA_UNAVAILABLE: the server answered 503' });
  const first = await s.placed((d) => !covered(d));
  assert.deepEqual(
    first.partitions.filter((p) => p.replicas.length === 0).map((p) => p.partition),
    [6, 7],
  );
  away.splice(0);
  assert.ok((await s.placed((d) => d.epoch > first.epoch && covered(d))).epoch > first.epoch);
  const asked = a.log.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(a.log.length, asked, 'nobody is asked for what is there');
  const other = setting(t, { expected: 1, fetchAgainMs: 50 });
  const b = await other.join('a', { broken: [6] });
  await other.controller.settled;
  const before = b.log.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.equal(b.log.length, before);
});

test('a worker that started anew is asked to load again, at an epoch above all that workers know', async (t) => {
  const s = setting(t, { expected: 1 });
  const a = await s.join('a');
  await s.controller.settled;
  const first = await s.placed(covered);
  const held = [{ dataSet: name, partition: 0, sha256: '', epoch: 41 }];
  await s.controlPlane.membership.heartbeat(s.status(a, { instanceId: 'a second', held }));
  const second = await s.placed((d) => d.epoch > first.epoch);
  assert.equal(second.epoch, 42);
  assert.equal(a.log.length, 2);
});

test('a controller that takes over leaves alone what is in effect and held', async (t) => {
  const s = setting(t, { expected: 2 });
  const workers = [await s.join('a'), await s.join('b')];
  const first = await s.placed(covered);
  await s.controller.settled;
  s.controller.stop();
  for (const worker of workers) {
    const own = first.partitions.filter((p) => p.replicas.includes(worker.workerId));
    const held = own.map(({ partition }) => ({ dataSet: name, partition, sha256: '', epoch: first.epoch }));
    await s.controlPlane.membership.heartbeat(s.status(worker, { held }));
  }
  const links = new WorkerLinks();
  const log = createLogger('test', 'silent');
  const next = new PlacementController({ manifest: data.manifest, controlPlane: s.controlPlane, links, replicas: 1, expectedWorkers: 5, log });
  t.after(() => (next.stop(), links.close()));
  next.start();
  await next.settled;
  assert.deepEqual(await s.controlPlane.placements.get(name), first);
  assert.ok(
    workers.every((w) => w.log.length === 1),
    'nobody was asked to load again',
  );
});

test('no worker is asked for more than its device memory, and one that comes with room gets what was missing', async (t) => {
  const s = setting(t, { expected: 1 });
  const bytes = Math.max(...data.manifest.partitions.map((p) => p.bytes));
  const a = await s.join('a');
  await s.controlPlane.membership.heartbeat(s.status(a, { deviceMemoryBytes: 3 * bytes }));
  const first = await s.placed((d) => d.partitions.filter((p) => p.replicas.length > 0).length === 3);
  assert.ok(a.held.length <= 3);
  await s.join('b');
  assert.ok(covered(await s.placed((d) => d.epoch > first.epoch && covered(d))));
});
