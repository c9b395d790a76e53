import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Registration } from '../../shard-worker/registration.js';
import type { ControlPlane } from '../../shared/control-plane/control-plane.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { createLogger } from '../../shared/log.js';
import { status } from '../shared/control-plane/worker-status.js';

const log = createLogger('test', 'silent');
const placed = (epoch: number, ...replicas: string[]) => ({ dataSet: 'd', contentHash: '', epoch, partitions: [{ partition: 0, replicas }] });

function registered(t: TestContext, workerLeaseMs = 1e9): { controlPlane: ControlPlane; registration: Registration; steps: { open: number } } {
  const controlPlane = createInProcessControlPlane({ workerLeaseMs, sweepIntervalMs: 10 });
  const steps = { open: 0 };
  const registration = new Registration({
    controlPlane,
    status: () => ({ ...status, openSteps: steps.open }),
    dataSets: ['d'],
    log,
    intervalMs: 20,
    leaderlessMs: 300,
  });
  t.after(async () => {
    await registration.leave();
    await controlPlane.close();
  });
  return { controlPlane, registration, steps };
}

test('heartbeats keep the lease, tell of changes at once, and end with a goodbye', async (t) => {
  const { controlPlane, registration, steps } = registered(t, 100);
  await registration.start();
  await new Promise((resolve) => setTimeout(resolve, 250));
  assert.deepEqual(await controlPlane.membership.list(), [status]);
  steps.open = 3;
  await registration.changed();
  assert.equal((await controlPlane.membership.list())[0]?.openSteps, 3);
  await registration.leave();
  assert.deepEqual(await controlPlane.membership.list(), []);
  await registration.changed();
  assert.deepEqual(await controlPlane.membership.list(), [], 'a change after the goodbye says nothing');
});

test('a worker that drains waits until no placement names it', async (t) => {
  const { controlPlane, registration } = registered(t);
  await registration.start();
  controlPlane.leadership.campaign('c', () => {});
  await controlPlane.membership.heartbeat({ ...status, workerId: 'b' });
  await controlPlane.placements.compareAndSet(placed(1, 'a'), 0);
  let done = false;
  const drained = registration.drain(60_000).then((empty) => ((done = true), empty));
  await new Promise((resolve) => setTimeout(resolve, 150));
  assert.deepEqual([done, (await controlPlane.membership.list())[0]?.draining], [false, true]);
  await controlPlane.placements.compareAndSet(placed(2, 'b'), 1);
  assert.equal(await drained, true);
});

test('a leader that goes at the same time is followed by another, for whom it waits', async (t) => {
  const { controlPlane, registration } = registered(t);
  await registration.start();
  await controlPlane.membership.heartbeat({ ...status, workerId: 'b' });
  await controlPlane.placements.compareAndSet(placed(1, 'a'), 0);
  const drained = registration.drain(60_000);
  await new Promise((resolve) => setTimeout(resolve, 120));
  controlPlane.leadership.campaign('c', () => {});
  await new Promise((resolve) => setTimeout(resolve, 120));
  await controlPlane.placements.compareAndSet(placed(2, 'b'), 1);
  assert.equal(await drained, true);
});

test('it does not wait where nobody plans, nobody else is there, or the time is over, and waits but once', async (t) => {
  const cases: [string, number, (controlPlane: ControlPlane) => Promise<unknown>][] = [
    ['alone', 60_000, () => Promise.resolve()],
    ['without a leader', 60_000, ({ membership }) => membership.heartbeat({ ...status, workerId: 'b' })],
    [
      'the time is over',
      200,
      async ({ membership, leadership }) => {
        await membership.heartbeat({ ...status, workerId: 'b' });
        leadership.campaign('c', () => {});
      },
    ],
  ];
  for (const [name, withinMs, arrange] of cases) {
    const { controlPlane, registration } = registered(t);
    await registration.start();
    await controlPlane.placements.compareAndSet(placed(1, 'a'), 0);
    await arrange(controlPlane);
    assert.equal(await registration.drain(withinMs), false, name);
    const read = controlPlane.placements.get.bind(controlPlane.placements);
    let reads = 0;
    controlPlane.placements.get = (dataSet) => (reads++, read(dataSet));
    assert.deepEqual([await registration.drain(withinMs), reads], [false, 0], `${name}, again`);
  }
});

test('a control plane that is away does not end the worker', async (t) => {
  const { controlPlane, registration } = registered(t);
  await registration.start();
  const { membership } = controlPlane;
  const heartbeat = membership.heartbeat.bind(membership);
  membership.heartbeat = () => Promise.reject(new Error('away'));
  await registration.changed();
  membership.heartbeat = heartbeat;
  await registration.changed();
  assert.equal((await controlPlane.membership.list()).length, 1);
});
