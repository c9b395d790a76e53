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
import { test } from 'node:test';
import path from 'node:path';
import { readFile } from 'node:fs/promises';
import { NatsSession } from '../../../../shared/control-plane/nats/session.js';
import { fetchFile } from '../../../../shared/dataset/sources/fetch-file.js';
import { PartFile } from '../../../../shared/dataset/sources/part-file.js';
import { createLogger } from '../../../../shared/log.js';
import { temporaryFolder } from '../../../support/data-sets.js';
import { natsMissing, startNats } from '../../../support/nats-server.js';
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

test('a server that is killed in the middle of a fetch and comes back: it goes on where it was', { skip: natsMissing ?? false }, async (t) => {
  const nats = await startNats();
  const session = await NatsSession.open({ servers: nats.addresses, namespace: 't', replicas: 1, clientName: 'test' });
  try {
    const source = await ObjectStoreSource.open(session, 'set');
    const whole = Buffer.concat(Array.from({ length: 8 }, () => BYTES));
    const sha256 = createHash('sha256').update(whole).digest('hex');
    await source.put(sha256, whole);
    const part = await PartFile.open(path.join(temporaryFolder(), 'part'));
    let bytes = 0;
    let restarted: Promise<void> | undefined;
    const failures: string[] = [];
    const onBytes = (arrived: number): void => {
      bytes += arrived;
      if (bytes > whole.length / 2) restarted ??= nats.servers[0]!.kill().then(() => nats.servers[0]!.restart());
    };
    const settings = { source, log: createLogger('test', 'silent'), onBytes, onFailure: (reason: string) => void failures.push(reason) };
    await fetchFile({ name: 'p', sha256, bytes: whole.length }, part, settings, never);
    await restarted;
    await part.close();
    assert.deepEqual(await readFile(PartFile.fileIn(part.dir)), whole);
    assert.equal(bytes, whole.length, 'no byte came twice');
    t.diagnostic(`${failures.length} tries failed while the server was away`);
  } finally {
    await session.close();
    await nats.dispose();
  }
});
