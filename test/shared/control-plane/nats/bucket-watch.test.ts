import assert from 'node:assert/strict';
import { BucketWatch } from '../../../../shared/control-plane/nats/bucket-watch.js';
import { natsTest, until } from '../../../support/nats-sessions.js';

natsTest('has heard all that was written, by whomever, when it has caught up', async (open) => {
  const bucket = await (await open()).bucket('b');
  const other = await (await open()).bucket('b');
  await other.put('before', '1');
  const watch = new BucketWatch(bucket, 1_000);
  const keys: string[] = [];
  watch.on(({ key }) => keys.push(key));
  const leave = watch.on(() => assert.fail('has left'));
  leave();
  await other.put('after', '2');
  await watch.catchUp();
  assert.deepEqual(keys, ['before', 'after']);
  for (let i = 0; i < 20; i++) await other.put(`k${i}`, '');
  await watch.catchUp();
  assert.equal(keys.length, 22);
  watch.stop();
  await other.put('late', '');
  await watch.catchUp();
  assert.equal(keys.length, 22, 'nothing is heard after the stop');
});

natsTest('hears again after its consumer was lost', async (open, t) => {
  const session = await open();
  const bucket = await session.bucket('b');
  let signs = 0;
  const watch = new BucketWatch(bucket, 50, () => signs++);
  const heard = new Set<string>();
  watch.on(({ key }) => heard.add(key));
  await watch.catchUp();
  await until(() => signs > 5, 'marks of its own');
  const stream = `KV_${session.name('b')}`;
  for await (const { name } of session.manager.consumers.list(stream)) await session.manager.consumers.delete(stream, name);
  await bucket.put('k', '');
  t.diagnostic(`heard ${Math.round(await until(() => heard.has('k'), 'what was written while it was deaf'))} ms later`);
  watch.stop();
});
