import assert from 'node:assert/strict';
import { NatsLeadership } from '../../../../shared/control-plane/nats/leadership.js';
import { natsTest, until } from '../../../support/nats-sessions.js';

natsTest('a leader that is cut off steps down before another follows it', async (open, t) => {
  const leaseMs = 900;
  const [cut, other] = [await open(), await open()];
  const leading = new Set<string>();
  let most = 0;
  const follow = (id: string) => (leads: boolean) => {
    if (leads) leading.add(id);
    else leading.delete(id);
    most = Math.max(most, leading.size);
  };
  const first = await NatsLeadership.open(cut, leaseMs);
  const second = await NatsLeadership.open(other, leaseMs);
  first.campaign('first', follow('first'));
  await until(() => leading.has('first'), 'a leader');
  const stop = second.campaign('second', follow('second'));
  await new Promise((resolve) => setTimeout(resolve, 2 * leaseMs));
  assert.deepEqual([...leading], ['first'], 'a lease that is renewed is left alone');
  // No word of goodbye: only the way to the server is gone.
  await cut.close();
  const followedMs = await until(() => leading.has('second'), 'a follower');
  t.diagnostic(`followed after ${Math.round(followedMs)} ms, the lease being ${leaseMs} ms`);
  assert.deepEqual([[...leading], most], [['second'], 1]);
  first.close();
  await stop();
  assert.equal(await second.leader(), undefined);
});
