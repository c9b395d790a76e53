import assert from 'node:assert/strict';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DatasetStore } from '../../client/dataset-store.js';
import { DataCache } from '../../shared/dataset/cache/data-cache.js';
import { loadPartition } from '../../shared/dataset/data-set.js';
import { openRemoteDataSet } from '../../shared/dataset/remote-data-set.js';
import { DATA_BUCKET, ObjectStoreSource } from '../../shared/dataset/sources/object-store-source.js';
import { createLogger } from '../../shared/log.js';
import { Places } from '../../shared/places.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';
import { temporaryFolder } from '../support/data-sets.js';
import { natsTest } from '../support/nats-sessions.js';

const WIDTH = 30_000;
const never = new AbortController().signal;
const log = createLogger('test', 'silent');

/** Six rows in three partitions of some 60 KB. */
const folder = (seed = 1): Promise<string> =>
  writeSmallDataSet(
    {
      name: 'six',
      shape: [1, 1, WIDTH],
      values: Uint8Array.from({ length: 6 * WIDTH }, (_, i) => (i * seed) % 256),
      partitions: [
        [0, 3],
        [1, 4],
        [2, 5],
      ],
    },
    temporaryFolder(),
  ).then(({ dir }) => dir);

natsTest('a folder that was pushed is a data set for who reads it, to the byte', async (open) => {
  const session = await open();
  const store = await DatasetStore.open(session);
  assert.deepEqual(await store.list(), []);
  const dir = await folder();
  const progress: number[] = [];
  const pushed = await store.push(dir, { signal: never, onProgress: (done, total) => void progress.push(done / total) });
  assert.deepEqual([pushed.name, pushed.files, pushed.bytesThere, progress.at(-1)], ['six', 4, 0, 1]);
  const [listed] = await store.list();
  assert.deepEqual([listed!.name, listed!.files, listed!.manifest!.rows], ['six', 5, 6]);

  const cacheDir = path.join(temporaryFolder(), 'cache');
  const cache = await DataCache.open({ dir: cacheDir, bytesMax: 1e6, log });
  const source = await ObjectStoreSource.open(await open(), 'six');
  const dataSet = await openRemoteDataSet({ source, log, homes: path.join(cacheDir, 'home'), cache, places: new Places(2) }, never);
  const taken = await dataSet.files!.take(dataSet.manifest.partitions[2]!, never);
  const part = await loadPartition(dataSet, 2, never, taken.path);
  assert.deepEqual([...part.rowIds], [2, 5]);
  assert.ok(part.values.every((value, i) => value === (i < WIDTH ? 2 * WIDTH + i : 4 * WIDTH + i) % 256));
  // What a coordinator makes is for the others, too.
  await dataSet.files!.offer('covariance.safetensors', Buffer.from('c'));
  assert.deepEqual(await dataSet.files!.optional('covariance.safetensors', 10, never), Buffer.from('c'));
  await taken.release();
  await cache.close();
});

natsTest('pushed again, only what is missing travels; another content needs --force, and what was of the old one alone goes', async (open) => {
  const session = await open();
  const store = await DatasetStore.open(session);
  const dir = await folder();
  const first = await store.push(dir, { signal: never });
  const objects = await session.objects(DATA_BUCKET);
  const partition = (await objects.list()).find(({ name, size }) => name !== 'six/manifest.json' && size > WIDTH)!;
  await objects.delete(partition.name);
  const again = await store.push(dir, { signal: never });
  assert.equal(again.bytesThere, first.bytes - partition.size);
  const other = await folder(3);
  await assert.rejects(store.push(other, { signal: never }), { code: 'ALREADY_EXISTS', message: /or --force/ });
  await store.push(other, { signal: never, name: 'other' });
  assert.equal((await store.list()).length, 2);
  await store.push(other, { signal: never, force: true });
  const [, six] = await store.list();
  assert.deepEqual([six!.name, six!.files], ['six', 5]);
});

natsTest('a push that is interrupted is not whole until it is done again; what is removed is gone', async (open) => {
  const session = await open();
  const store = await DatasetStore.open(session);
  const dir = await folder();
  const abort = new AbortController();
  const going = store.push(dir, {
    signal: abort.signal,
    onProgress: (done) => void (done > 0 && abort.abort(new Error('enough'))),
  });
  await assert.rejects(going, { message: 'enough' });
  const part = await store.list();
  assert.ok(part.every(({ manifest }) => manifest === undefined));
  await store.push(dir, { signal: never });
  assert.equal((await store.list())[0]!.manifest!.rows, 6);
  await store.remove('six');
  assert.deepEqual(await store.list(), []);
  await assert.rejects(store.remove('six'), { code: 'NOT_FOUND' });
});

natsTest('a file that is not what the manifest says is refused on its way, and nothing of it stays', async (open) => {
  const store = await DatasetStore.open(await open());
  const dir = await folder();
  await appendFile(path.join(dir, 'partition-00001.safetensors'), 'x');
  await assert.rejects(store.push(dir, { signal: never }), { code: 'FILE_INVALID', message: /partition-00001.safetensors/ });
  assert.ok((await store.list()).every(({ manifest }) => manifest === undefined));
  await rm(path.join(dir, 'partition-00002.safetensors'));
  await assert.rejects(store.push(dir, { signal: never }), { code: 'FILE_INVALID', message: /partition-00002.safetensors .*ENOENT/ });
  await assert.rejects(store.push('/nowhere', { signal: never }), { code: 'NOT_FOUND' });
});

natsTest('two pushes of one name at once: one of them wins, and the data set is whole', async (open) => {
  const stores = await Promise.all([open(), open()].map(async (session) => DatasetStore.open(await session)));
  const dirs = await Promise.all([folder(5), folder(7)]);
  const ends = await Promise.allSettled(stores.map((store, i) => store.push(dirs[i]!, { signal: never })));
  const won = ends.filter(({ status }) => status === 'fulfilled');
  assert.equal(won.length, 1);
  const lost = ends.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  assert.equal((lost.reason as { code: string }).code, 'ALREADY_EXISTS');
});

natsTest('pieces that a killed push left are swept once they are old, and no others', async (open) => {
  const session = await open();
  const store = await DatasetStore.open(session);
  await store.push(await folder(), { signal: never });
  const { bucket } = await (await session.objects(DATA_BUCKET)).status();
  await session.streams.publish(`$O.${bucket}.C.LEFT`, new Uint8Array(1_000));
  assert.equal(await store.sweep(), 0, 'somebody may be writing it');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(await store.sweep(10), 1);
  assert.equal(await store.sweep(10), 0);
  assert.equal((await store.list())[0]!.files, 5);
});

natsTest('a covariance that lies beside the data set is pushed with it', async (open) => {
  const session = await open();
  const store = await DatasetStore.open(session);
  const dir = await folder();
  await writeFile(path.join(dir, 'covariance.safetensors'), 'saved');
  assert.equal((await store.push(dir, { signal: never })).files, 5);
  const objects = await session.objects(DATA_BUCKET);
  assert.equal(Buffer.from((await objects.getBlob('six/covariance.safetensors'))!).toString(), 'saved');
});
