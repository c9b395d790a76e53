import assert from 'node:assert/strict';
import { readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { DataCache } from '../../../shared/dataset/cache/data-cache.js';
import { loadPartition } from '../../../shared/dataset/data-set.js';
import { openRemoteDataSet, type RemoteSettings } from '../../../shared/dataset/remote-data-set.js';
import { dataLocation, type HttpLocation } from '../../../shared/dataset/sources/data-location.js';
import { HttpSource } from '../../../shared/dataset/sources/http-source.js';
import { createLogger } from '../../../shared/log.js';
import { Places } from '../../../shared/places.js';
import { startDataServer, type DataServer } from '../../support/data-server.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeSmallDataSet } from './small-data-set.js';

const log = createLogger('test', 'silent');
const never = new AbortController().signal;
const closing: (() => Promise<void>)[] = [];
after(() => Promise.all(closing.map((close) => close())));

async function setting(places = 4): Promise<{ server: DataServer; settings: RemoteSettings; dir: string; cacheDir: string }> {
  const values = Uint8Array.from({ length: 6 * 4 }, (_, i) => i);
  const { dir } = await writeSmallDataSet({
    shape: [1, 2, 2],
    values,
    partitions: [
      [0, 3],
      [1, 4],
      [2, 5],
    ],
  });
  const server = await startDataServer(dir);
  const cacheDir = path.join(temporaryFolder(), 'cache');
  const cache = await DataCache.open({ dir: cacheDir, bytesMax: 1e6, log });
  closing.push(async () => {
    await server.close();
    await cache.close();
    await rm(dir, { recursive: true });
  });
  const source = new HttpSource(dataLocation(server.url, 'x') as HttpLocation);
  return { server, dir, cacheDir, settings: { source, log, homes: path.join(cacheDir, 'home'), cache, places: new Places(places), backoffMs: 1 } };
}

test('a manifest from elsewhere is a data set whose partitions are fetched when they are taken', async () => {
  const { settings, server, cacheDir } = await setting();
  const dataSet = await openRemoteDataSet(settings, never);
  assert.equal(dataSet.manifest.rows, 6);
  assert.deepEqual(
    server.requests.map(({ file }) => file),
    ['manifest.json'],
  );
  assert.equal(path.dirname(dataSet.dir), path.join(cacheDir, 'home'));
  const taken = await dataSet.files!.take(dataSet.manifest.partitions[1]!, never);
  const part = await loadPartition(dataSet, 1, never, taken.path);
  assert.deepEqual(
    [[...part.rowIds], [...part.values]],
    [
      [1, 4],
      [4, 5, 6, 7, 16, 17, 18, 19],
    ],
  );
  await taken.release();
  assert.deepEqual(
    server.requests.map(({ file }) => file),
    ['manifest.json', 'partition-00001.safetensors'],
  );
});

test('no more files are fetched at once than there are places', async () => {
  const { settings, server } = await setting(2);
  const dataSet = await openRemoteDataSet(settings, never);
  let open = 0;
  let most = 0;
  const { source } = settings;
  const counted: RemoteSettings = {
    ...settings,
    source: {
      kind: 'http',
      shown: source.shown,
      shownFile: (file) => source.shownFile(file),
      open: async (file, from, signal) => {
        most = Math.max(most, ++open);
        await new Promise((resolve) => setTimeout(resolve, 20));
        return source.open(file, from, signal).finally(() => open--);
      },
    },
  };
  const { files } = await openRemoteDataSet(counted, never);
  const taken = await Promise.all(dataSet.manifest.partitions.map((entry) => files!.take(entry, never)));
  assert.equal(most, 2);
  assert.equal(server.requests.filter(({ file }) => file.startsWith('partition')).length, 3);
  await Promise.all(taken.map((file) => file.release()));
});

test('where there is no manifest, or a wrong one, the sentence names the address', async () => {
  const { settings, server, dir } = await setting();
  server.fault = () => ({ status: 404 });
  await assert.rejects(openRemoteDataSet(settings, never), {
    code: 'NOT_FOUND',
    message: `Expected a data set with manifest.json at ${server.url} but there is none`,
  });
  server.fault = () => undefined;
  await writeFile(path.join(dir, 'manifest.json'), '<html>');
  await assert.rejects(openRemoteDataSet(settings, never), (thrown: Error & { code?: string }) => {
    assert.equal(thrown.code, 'FILE_INVALID');
    return thrown.message.includes(`for ${server.url}manifest.json but received`);
  });
});

test('files beside the manifest may be there or not; nothing is put on a web server', async () => {
  const { settings, dir, server, cacheDir } = await setting();
  const { files } = await openRemoteDataSet(settings, never);
  assert.equal(await files!.optional('covariance.safetensors', 1e6, never), undefined);
  await writeFile(path.join(dir, 'covariance.safetensors'), 'c');
  assert.equal(Buffer.from((await files!.optional('covariance.safetensors', 1e6, never))!).toString(), 'c');
  const before = server.requests.length;
  await files!.offer('covariance.safetensors', Buffer.from('d'));
  assert.equal(server.requests.length, before);
  const { cache, ...without } = settings;
  assert.ok(cache !== undefined);
  const { files: none, manifest } = await openRemoteDataSet(without, never);
  await assert.rejects(none!.take(manifest.partitions[0]!, never), { code: 'UNSUPPORTED' });
  assert.deepEqual(await readdir(path.join(cacheDir, 'data')), []);
});
