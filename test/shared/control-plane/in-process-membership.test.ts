import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InProcessMembership } from '../../../shared/control-plane/in-process-membership.js';
import { status } from './worker-status.js';

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
