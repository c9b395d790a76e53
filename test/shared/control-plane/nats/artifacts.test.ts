import assert from 'node:assert/strict';
import { NatsArtifacts } from '../../../../shared/control-plane/nats/artifacts.js';
import { natsTest } from '../../../support/nats-sessions.js';

natsTest('keeps megabytes to the byte, and one reader sees either the old or the new ones', async (open) => {
  const artifacts = await NatsArtifacts.open(await open());
  const reader = await NatsArtifacts.open(await open());
  const filled = (value: number): Uint8Array => new Uint8Array(1_000_003).fill(value);
  await artifacts.put('a/b c', filled(0), 60_000);
  let writing = true;
  const writes = (async () => {
    for (let value = 1; value <= 8; value++) await artifacts.put('a/b c', filled(value), 60_000);
    writing = false;
  })();
  while (writing) {
    const bytes = await reader.get('a/b c');
    assert.ok(bytes !== undefined && bytes.every((value) => value === bytes[0]), 'no mixture');
  }
  await writes;
  assert.deepEqual(await reader.get('a/b c'), filled(8));
});

natsTest('what has expired is swept, and what lasts can be made to expire and back', async (open) => {
  const session = await open();
  const artifacts = await NatsArtifacts.open(session);
  await artifacts.put('x', new Uint8Array([1]), 100);
  await artifacts.put('y', new Uint8Array([2]), 60_000);
  await artifacts.put('z', new Uint8Array([3]));
  await new Promise((resolve) => setTimeout(resolve, 120));
  assert.equal(await artifacts.get('x'), undefined);
  assert.equal(await artifacts.sweep(), 1);
  assert.equal(await artifacts.sweep(), 0);
  await artifacts.put('z', new Uint8Array([4]), 60_000);
  await artifacts.put('y', new Uint8Array([5]));
  assert.deepEqual([await artifacts.get('y'), await artifacts.get('z')], [new Uint8Array([5]), new Uint8Array([4])]);
  const lasting = await session.objects('artifacts');
  assert.deepEqual(
    (await lasting.list()).map(({ name }) => name),
    ['y'],
    'each lies in one store',
  );
  await assert.rejects(artifacts.put('w', new Uint8Array(1), 1e12), { code: 'ARGUMENT_INVALID' });
});
