import assert from 'node:assert/strict';
import { openStateBucket } from '../../../../shared/control-plane/nats/state-bucket.js';
import { natsTest } from '../../../support/nats-sessions.js';

natsTest('keeps what is written for good, and one watch tells several listeners', async (open) => {
  const session = await open();
  const { bucket, watch } = await openStateBucket(session);
  await bucket.put('a.x', '1');
  const heard: string[] = [];
  for (const listener of ['one', 'two']) watch.on(({ key }) => heard.push(`${listener} ${key}`));
  await watch.catchUp();
  assert.deepEqual(heard, ['one a.x', 'two a.x']);
  const { config, state } = await session.manager.streams.info(`KV_${session.name('state')}`);
  assert.deepEqual([config.max_age, state.consumer_count], [0, 1]);
  watch.stop();
});
