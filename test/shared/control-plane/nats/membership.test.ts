import assert from 'node:assert/strict';
import { NatsMembership } from '../../../../shared/control-plane/nats/membership.js';
import { openStateBucket } from '../../../../shared/control-plane/nats/state-bucket.js';
import { natsTest } from '../../../support/nats-sessions.js';
import { status } from '../worker-status.js';

natsTest('a process that only sends heartbeats writes nothing else and follows nobody', async (open) => {
  const session = await open();
  const sender = await NatsMembership.open(session, await openStateBucket(session), 200);
  for (let i = 0; i < 3; i++) {
    await sender.heartbeat({ ...status, openSteps: i });
    await new Promise((resolve) => setTimeout(resolve, 60));
  }
  const info = await session.manager.streams.info(`KV_${session.name('workers')}`);
  assert.equal(info.state.last_seq, 3);
  assert.equal(info.state.consumer_count, 0);
  sender.close();
});

natsTest('thousands of partitions fit one heartbeat', async (open) => {
  const session = await open();
  const state = await openStateBucket(session);
  const membership = await NatsMembership.open(session, state, 1_000);
  const held = Array.from({ length: 16_384 }, (_, partition) => ({
    dataSet: 'imagenet',
    partition,
    sha256: Buffer.from(Array.from({ length: 32 }, (_, i) => (partition * 31 + i * i * 7) & 255)).toString('hex'),
    epoch: 7,
  }));
  await membership.heartbeat({ ...status, held });
  assert.deepEqual(await membership.list(), [{ ...status, held }]);
  membership.close();
  state.watch.stop();
});
