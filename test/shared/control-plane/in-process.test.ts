import assert from 'node:assert/strict';
import { it } from 'node:test';
import { awakeClock, createInProcessControlPlane } from '../../../shared/control-plane/in-process.js';
import { controlPlaneContract } from './contract.js';
import { status } from './worker-status.js';

const TIMES = { workerLeaseMs: 1_000, jobLeaseMs: 1_000, noticeMs: 1_000 };

controlPlaneContract('in-process', TIMES, async () => {
  let now = 0;
  const plane = createInProcessControlPlane({ workerLeaseMs: TIMES.workerLeaseMs, nowMs: () => now, sweepIntervalMs: 0 });
  return {
    plane,
    pass: async (ms) => {
      now += ms;
    },
    dispose: () => plane.close(),
  };
});

it('tells watchers of an ended lease although nobody asks', async () => {
  let now = 0;
  const plane = createInProcessControlPlane({ workerLeaseMs: 100, nowMs: () => now, sweepIntervalMs: 5 });
  const gone = new Promise<void>((resolve) => plane.membership.watch((workers) => workers.length === 0 && resolve()));
  await plane.membership.heartbeat(status);
  now = 101;
  // The sweep's timer keeps no process alive, so something else must while the test waits.
  const awake = setInterval(() => {}, 1_000);
  await gone;
  clearInterval(awake);
  await plane.close();
});

it('does not count the time in which its own process stood still against a lease', async () => {
  let wall = 0;
  const clock = awakeClock(() => wall, 10);
  const times = [5, 15, 1_015, 1_020].map((now) => {
    wall = now;
    return clock();
  });
  assert.deepEqual(times, [5, 15, 25, 30]);

  const plane = createInProcessControlPlane({ workerLeaseMs: 60, sweepIntervalMs: 5 });
  await plane.membership.heartbeat(status);
  const until = performance.now() + 100;
  while (performance.now() < until);
  assert.equal((await plane.membership.list()).length, 1, 'a loop that stood still for longer than the lease has heard nobody');
  const awake = setInterval(() => {}, 1_000);
  while ((await plane.membership.list()).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  clearInterval(awake);
  await plane.close();
});

it('refuses a lease of no length', () => {
  assert.throws(() => createInProcessControlPlane({ workerLeaseMs: 0 }), /Invariant broken/);
});
