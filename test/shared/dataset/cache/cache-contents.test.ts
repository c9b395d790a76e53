import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import {
  dataPath,
  evict,
  evictable,
  homeFolder,
  makeCacheFolders,
  NOBODY,
  partPath,
  readContents,
} from '../../../../shared/dataset/cache/cache-contents.js';
import { CacheUser } from '../../../../shared/dataset/cache/cache-users.js';
import { temporaryFolder } from '../../../support/data-sets.js';

const sha = (n: number): string => String(n).repeat(64);

async function filledCache(): Promise<{ root: string; user: CacheUser }> {
  const root = path.join(temporaryFolder(), 'cache');
  await makeCacheFolders(root);
  const user = await CacheUser.join(root);
  const put = async (file: string, bytes: number, usedSeconds: number): Promise<void> => {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, Buffer.alloc(bytes));
    await utimes(file, usedSeconds, usedSeconds);
  };
  await put(dataPath(root, sha(1)), 100, 1_000);
  await put(dataPath(root, sha(2)), 200, 3_000);
  await put(dataPath(root, sha(3)), 300, 2_000);
  await put(path.join(partPath(root, sha(4), 1_000, user.id), 'bytes'), 10, 500);
  await put(path.join(partPath(root, sha(5), 1_000, NOBODY), 'bytes'), 20, 4_000);
  await put(path.join(partPath(root, sha(6), 1_000, 'somebody-dead'), 'bytes'), 0, 4_000);
  await put(path.join(homeFolder(root), 'set-abc', 'index.hnsw'), 40, 1_500);
  await user.pin(sha(3));
  return { root, user };
}

test('what lies there is counted, files being fetched as a whole', async () => {
  const { root, user } = await filledCache();
  const contents = await readContents(root);
  assert.equal(contents.bytes, 600 + 1_000 + 20 + 40);
  assert.deepEqual(contents.used, new Set([sha(3)]));
  assert.deepEqual(contents.parts.map(({ sha256, bytes, gotBytes, ownerLives }) => [sha256, bytes, gotBytes, ownerLives]).sort(), [
    [sha(4), 1_000, 10, true],
    [sha(5), 1_000, 20, false],
  ]);
  assert.equal((await readdir(path.join(root, 'part'))).length, 2, 'an empty part of a dead process goes');
  await user.leave();
  assert.equal((await readContents(root)).bytes, 600 + 10 + 20 + 40, 'a dead process fetches nothing');
});

test('the longest unused goes first, never what is in use or being fetched, and no more than is needed', async () => {
  const { root, user } = await filledCache();
  const contents = await readContents(root);
  assert.deepEqual(
    evictable(contents).map(({ bytes }) => bytes),
    [100, 40, 200, 20],
  );
  assert.deepEqual(await evict(contents, 120, undefined), { bytes: 140, files: 2 });
  assert.deepEqual((await readdir(path.join(root, 'data'))).sort(), [sha(2), sha(3)]);
  assert.deepEqual(await evict(await readContents(root), 1e9, dataPath(root, sha(2))), { bytes: 20, files: 1 }, 'but for what is to stay');
  assert.deepEqual(await evict(await readContents(root), 0), { bytes: 0, files: 0 });
  await user.leave();
});

test('a folder that holds something else is refused, and nothing in it is touched', async () => {
  const dir = temporaryFolder();
  await mkdir(path.join(dir, 'data'));
  await writeFile(path.join(dir, 'data', sha(1)), 'mine');
  await assert.rejects(makeCacheFolders(dir), { message: 'it is not empty and not a cache' });
  assert.equal(await readFile(path.join(dir, 'data', sha(1)), 'utf8'), 'mine');
});

test('a cache is tagged as one, for backup programs', async () => {
  const dir = path.join(temporaryFolder(), 'a', 'b');
  await Promise.all([makeCacheFolders(dir), makeCacheFolders(dir)]);
  assert.match(await readFile(path.join(dir, 'CACHEDIR.TAG'), 'utf8'), /^Signature: 8a477f597d28d172789f06886806bc55\n/);
  await makeCacheFolders(dir);
});
