import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClusterState } from '../../coordinator/cluster-state.js';
import type { WorkerStatus } from '../../shared/control-plane/control-plane.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4 });
const status = (workerId: string): WorkerStatus => ({
  workerId,
  instanceId: workerId,
  address: `${workerId}:1`,
  backend: 'reference',
  deviceMemoryBytes: 0,
  deviceMemoryUsedBytes: 0,
  openSteps: 0,
  draining: false,
  held: [],
});
const document = (epoch: number, ...holders: string[]) => ({
  dataSet: manifest.name,
  contentHash: manifest.contentHash,
  epoch,
  partitions: holders.map((id, partition) => ({ partition, replicas: [id] })),
});

test('coverage counts the rows that live workers hold in the placement in effect', async (t) => {
  const controlPlane = createInProcessControlPlane();
  const suspects: string[] = [];
  const state = new ClusterState(controlPlane, manifest, (id) => suspects.push(id));
  t.after(() => (state.stop(), controlPlane.close()));
  await controlPlane.membership.heartbeat(status('a'));
  await state.start();
  assert.equal(state.coverage().fraction, 0);
  await controlPlane.placements.compareAndSet(document(3, 'a', 'b', 'a', 'b'), 0);
  assert.equal(state.placement()!.epoch, 3);
  assert.deepEqual(state.coverage().missingPartitions, [1, 3]);
  assert.deepEqual(state.replicasOf(1), []);
  const changed = state.changed(60_000, new AbortController().signal);
  await controlPlane.membership.heartbeat(status('b'));
  await changed;
  assert.equal(state.coverage().fraction, 1);
  assert.equal(state.addressOf('b'), 'b:1');
  assert.deepEqual(state.replicasOf(1), ['b']);
  assert.equal(state.workers.length, 2);
  await controlPlane.membership.remove('a');
  assert.equal(state.addressOf('a'), undefined);
  state.suspect('b');
  assert.deepEqual(suspects, ['b']);
});

test('a worker out of reach is passed over, and a newer placement can be asked for', async (t) => {
  const controlPlane = createInProcessControlPlane();
  const state = new ClusterState(controlPlane, manifest, () => {});
  t.after(() => (state.stop(), controlPlane.close()));
  await state.start();
  await controlPlane.membership.heartbeat(status('a'));
  state.setReach('a', false);
  assert.equal(state.addressOf('a'), undefined);
  state.setReach('a', true);
  assert.equal(state.addressOf('a'), 'a:1');
  // Its watch has gone deaf.
  state.stop();
  await controlPlane.placements.compareAndSet(document(2, 'a', 'a', 'a', 'a'), 0);
  assert.equal(state.placement(), undefined);
  await Promise.all([state.refresh(), state.refresh()]);
  assert.equal(state.placement()?.epoch, 2);
  const broken = { ...controlPlane, placements: { ...controlPlane.placements, get: () => Promise.reject(new Error('away')) } };
  await new ClusterState(broken, manifest, () => {}).refresh();
});

test('waiting for a change ends after its time and when it is aborted', async (t) => {
  const controlPlane = createInProcessControlPlane();
  const state = new ClusterState(controlPlane, manifest, () => {});
  t.after(() => (state.stop(), controlPlane.close()));
  await state.start();
  await state.changed(1, new AbortController().signal);
  const abort = new AbortController();
  const waiting = state.changed(60_000, abort.signal);
  abort.abort();
  await waiting;
});

test('a coordinator that follows is settled when live workers hold what another has placed', async (t) => {
  const controlPlane = createInProcessControlPlane();
  const state = new ClusterState(controlPlane, manifest, () => {});
  t.after(() => (state.stop(), controlPlane.close()));
  await state.start();
  let settled = false;
  const done = state.settled().then(() => (settled = true));
  await controlPlane.membership.heartbeat(status('a'));
  await controlPlane.placements.compareAndSet(document(1, 'a', 'b', 'a', 'b'), 0);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(settled, false);
  await controlPlane.membership.heartbeat(status('b'));
  await done;
  assert.equal(state.worker('b')?.address, 'b:1');
});
