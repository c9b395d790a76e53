import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { findIndexFile, indexFileName, indexFolders, saveIndexFile, type IndexIdentity } from '../../../shard-worker/candidates/index-file.js';
import { packageRoot } from '../../../shared/package-root.js';
import { temporaryFolder } from '../../support/data-sets.js';

const identity: IndexIdentity = { partition: 7, sha256: 'c0ffee'.padEnd(64, '1'), resolution: 14, rows: 3, proxyValues: 4 };
const CONTENT = 'x'.repeat(100);
const write = (file: string): void => writeFileSync(file, CONTENT);
const parent = temporaryFolder();
let folders = 0;
function newFolder(): string {
  const folder = path.join(parent, String(++folders));
  mkdirSync(folder);
  return folder;
}

async function saved(): Promise<{ folder: string; file: string }> {
  const folder = newFolder();
  const { file, bytes } = await saveIndexFile([folder], identity, write);
  assert.equal(bytes, CONTENT.length);
  return { folder, file };
}

async function find(folders: readonly string[], wanted = identity): Promise<[string | undefined, string[]]> {
  const bad: string[] = [];
  return [await findIndexFile(folders, wanted, (reason) => bad.push(reason)), bad];
}

test('a file is named after the partition, its content and the resolution, and found again', async () => {
  const { folder, file } = await saved();
  assert.equal(path.basename(file), 'partition-00007.c0ffee1111111111.r14.hnsw');
  assert.deepEqual(readdirSync(folder).sort(), [indexFileName(identity), `${indexFileName(identity)}.json`], 'nothing temporary is left');
  assert.deepEqual(await find([newFolder(), folder]), [file, []]);
  assert.deepEqual(await find([newFolder()]), [undefined, []]);
});

test('a file that is not what its note says is passed over with the reason', async () => {
  const faults: [RegExp, (file: string) => void][] = [
    [/sha256 is not the one/, (file) => writeFileSync(file, CONTENT.replace('x', 'y'))],
    [/99 bytes where its note says 100/, (file) => writeFileSync(file, CONTENT.slice(1))],
    [/not a JSON object/, (file) => writeFileSync(`${file}.json`, '{')],
    [/another efConstruction/, (file) => writeFileSync(`${file}.json`, readFileSync(`${file}.json`, 'utf8').replace('200', '201'))],
    [
      /another sha256/,
      (file) => writeFileSync(`${file}.json`, readFileSync(`${file}.json`, 'utf8').replace('1c0', '1c1').replace('c0ffee', 'c0ffef')),
    ],
  ];
  for (const [reason, spoil] of faults) {
    const { folder, file } = await saved();
    spoil(file);
    const [found, bad] = await find([folder]);
    assert.equal(found, undefined);
    assert.match(bad.join(), reason);
  }
  const { folder } = await saved();
  assert.match((await find([folder], { ...identity, rows: 4 }))[1].join(), /another rows/);
});

test('an index that is written while the disk is full, or fails, leaves nothing behind', async () => {
  const folder = newFolder();
  await assert.rejects(
    saveIndexFile([folder], identity, (file) => writeFileSync(file, 'short')),
    /the disk took only 5 bytes/,
  );
  await assert.rejects(
    saveIndexFile([folder], identity, () => {
      throw new Error('no');
    }),
    /no/,
  );
  assert.deepEqual(readdirSync(folder), []);
});

test('where the data set cannot be written to, the next folder is taken', async () => {
  // Root writes into any folder but those of the kernel.
  const [readOnly, cache] = [process.getuid?.() === 0 ? '/sys/kernel' : newFolder(), path.join(parent, 'cache')];
  if (process.getuid?.() !== 0) chmodSync(readOnly, 0o555);
  const { file } = await saveIndexFile([readOnly, cache], identity, write);
  assert.equal(path.dirname(file), cache);
  assert.deepEqual(await find([readOnly, cache]), [file, []]);
});

test('a folder of another name is the second choice, and one that is no folder is refused', async () => {
  assert.equal(indexFolders(parent)[0], parent);
  assert.equal(indexFolders(parent).length, 2);
  const gone = path.join(parent, 'gone');
  await assert.rejects(saveIndexFile([gone], identity, write), /ENOENT/);
  assert.ok(!existsSync(gone));
});

test('the folder of this user is found without a list of users, which a container may not have', () => {
  assert.deepEqual(indexFolders('/data/d'), ['/data/d', path.join(tmpdir(), `golddiff-indexes-${process.getuid?.() ?? 0}`)]);
  const source = readFileSync(path.join(packageRoot, 'shard-worker/candidates/index-file.ts'), 'utf8');
  assert.doesNotMatch(source, /userInfo/, 'it throws where the list of users has no such number');
});
