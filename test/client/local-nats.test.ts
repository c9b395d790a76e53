import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';

import { startLocalNats } from '../../client/local-nats.js';
import { createNatsControlPlane } from '../../shared/control-plane/nats/control-plane.js';
import { createLogger } from '../../shared/log.js';
import { temporaryFolder } from '../support/data-sets.js';
import { natsMissing } from '../support/nats-server.js';

const skip = natsMissing ?? false;
const planeOf = (address: string) => createNatsControlPlane({ servers: [address], log: createLogger('test', 'silent'), connectTimeoutMs: 1_000 });
const stores = (): number => readdirSync(tmpdir()).filter((name) => name.startsWith('golddiff-nats-')).length;

test('a server with a folder of its own keeps what it was given, one without leaves nothing', { skip }, async () => {
  const before = stores();
  const folder = temporaryFolder();
  for (const expected of [undefined, new Uint8Array([7])]) {
    const nats = await startLocalNats(folder);
    const plane = await planeOf(nats.address);
    assert.deepEqual(await plane.artifacts.get('a'), expected);
    await plane.artifacts.put('a', new Uint8Array([7]));
    await plane.close();
    await nats.stop();
    await assert.rejects(planeOf(nats.address), { code: 'CONTROL_PLANE_LOST' });
  }
  const passing = await startLocalNats(undefined);
  assert.equal(stores(), before + 1);
  await passing.stop();
  assert.equal(stores(), before);
});

test('says what to do where it is not installed', async (t) => {
  const { PATH } = process.env;
  process.env['PATH'] = '';
  t.after(() => (process.env['PATH'] = PATH));
  await assert.rejects(startLocalNats(undefined), { code: 'ARGUMENT_INVALID', message: /apt-get install nats-server/ });
});
