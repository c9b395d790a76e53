import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { WorkerStatus } from '../../../shared/control-plane/control-plane.js';
import { InProcessMembership } from '../../../shared/control-plane/in-process-membership.js';

const status: WorkerStatus = {
  workerId: 'a',
  instanceId: 'a-1',
  address: '127.0.0.1:1',
  backend: 'reference',
  deviceMemoryBytes: 1,
  deviceMemoryUsedBytes: 0,
  openSteps: 0,
  draining: false,
  held: [],
};

it('does not wake watchers for a heartbeat that says nothing new', async () => {
  const membership = new InProcessMembership(1_000, () => 0);
  let calls = 0;
  membership.watch(() => calls++);
  await membership.heartbeat(status);
  await membership.heartbeat({ ...status, held: [] });
  await membership.heartbeat({ ...status, openSteps: 1 });
  await Promise.resolve();
  assert.equal(calls, 2);
});
