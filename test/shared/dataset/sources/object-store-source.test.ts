import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { ResumePoint } from '../../../../shared/dataset/sources/data-source.js';
import {
  DATA_BUCKET,
  isPresent,
  manifestObject,
  objectName,
  objectSha256,
  ObjectStoreSource,
} from '../../../../shared/dataset/sources/object-store-source.js';
import { natsTest } from '../../../support/nats-sessions.js';

const BYTES = Buffer.from(Uint8Array.from({ length: 1_300_000 }, (_, i) => (i * 11) % 249));
const SHA256 = createHash('sha256').update(BYTES).digest('hex');
const never = new AbortController().signal;

async function read(source: ObjectStoreSource, name: string, from?: ResumePoint, pieces = Infinity) {
  const { offset, chunks } = await source.open({ name, sha256: SHA256 }, from, never);
  let at = offset;
  const got: Uint8Array[] = [];
  let token: string | undefined;
  for await (const chunk of chunks) {
    got.push(chunk.bytes);
    at += chunk.bytes.length;
    token = chunk.token;
    if (got.length >= pieces) break;
  }
  return { offset, bytes: Buffer.concat(got), resume: { offset: at, token } };
}

natsTest('an object comes in its pieces, and goes on behind any of them', async (open) => {
  const session = await open();
  const store = await session.objects(DATA_BUCKET);
  // Another object's pieces lie between.
  const put = (name: string) => store.putBlob({ name, options: { max_chunk_size: 100_000 } }, BYTES);
  await Promise.all([put(objectName('set', { name: 'p', sha256: SHA256 })), put('set/other')]);
  const source = await ObjectStoreSource.open(session, 'set');
  assert.deepEqual((await read(source, 'p')).bytes, BYTES);
  const first = await read(source, 'p', undefined, 4);
  assert.equal(first.resume.offset, 400_000);
  const rest = await read(source, 'p', first.resume);
  assert.equal(rest.offset, 400_000);
  assert.deepEqual(Buffer.concat([first.bytes, rest.bytes]), BYTES);
  await put(`set/${SHA256}`);
  assert.equal((await read(source, 'p', first.resume)).offset, 0, 'an object that was put anew is begun anew');
});

natsTest('what is not there is missing, and what is put is there', async (open) => {
  const session = await open();
  const source = await ObjectStoreSource.open(session, 'set');
  await assert.rejects(source.open({ name: 'p' }, undefined, never), { reason: 'missing', retry: false });
  await source.put('derived', BYTES);
  const { chunks } = await source.open({ name: 'derived' }, undefined, never);
  const pieces: Uint8Array[] = [];
  for await (const { bytes } of chunks) pieces.push(bytes);
  assert.deepEqual(Buffer.concat(pieces), BYTES);
  const store = await session.objects(DATA_BUCKET);
  const info = await store.info('set/derived');
  assert.ok(isPresent(info));
  assert.equal(objectSha256(info), SHA256, 'the checksum of an object is that of its bytes');
  await store.delete('set/derived');
  assert.equal(isPresent(await store.info('set/derived')), false);
  await assert.rejects(source.open({ name: 'derived' }, undefined, never), { reason: 'missing' });
  assert.deepEqual(
    [source.shown, source.shownFile({ name: 'x' }), manifestObject('set')],
    ['object-store:set', 'object-store:set/x', 'set/manifest.json'],
  );
});

natsTest('pieces that are gone, and a server that is away, are failures that may pass', async (open) => {
  const session = await open();
  const store = await session.objects(DATA_BUCKET);
  const source = await ObjectStoreSource.open(session, 'set');
  await source.put('p', BYTES);
  const { nuid, bucket } = (await store.info('set/p'))!;
  await session.manager.streams.purge(`OBJ_${bucket}`, { filter: `$O.${bucket}.C.${nuid}` });
  const { chunks } = await source.open({ name: 'p' }, undefined, never);
  await assert.rejects(chunks[Symbol.asyncIterator]().next(), { reason: 'connection', retry: true, message: /ended after 0 of 1300000 bytes/ });
  await session.close();
  await assert.rejects(source.open({ name: 'p' }, undefined, never), { reason: 'connection', retry: true });
});
