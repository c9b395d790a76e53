import assert from 'node:assert/strict';
import { appendFile, readdir, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ImportJournal } from '../../../client/import/import-journal.js';
import { temporaryFolder } from '../../support/data-sets.js';

const sums = { sum: Float64Array.of(1, 2 ** 52 + 1), sumOfSquares: Float64Array.of(3, 0.1) };

test('the last checkpoint comes back with the labels of all of its rows', async () => {
  const dir = temporaryFolder();
  const journal = new ImportJournal(dir);
  await journal.write({ key: 'k', rows: 2, sum: new Float64Array(2), sumOfSquares: new Float64Array(2) }, Int32Array.of(5, -1));
  await journal.write({ key: 'k', rows: 3, ...sums }, Int32Array.of(7));
  assert.deepEqual(await new ImportJournal(dir).read('k'), { checkpoint: { key: 'k', rows: 3, ...sums }, labels: Int32Array.of(5, -1, 7) });
  await journal.remove();
  assert.deepEqual(await readdir(dir), []);
});

test('labels written after the last checkpoint are cut', async () => {
  const dir = temporaryFolder();
  const journal = new ImportJournal(dir);
  await journal.write({ key: 'k', rows: 1, ...sums }, Int32Array.of(4));
  await appendFile(path.join(dir, 'journal.labels'), Buffer.alloc(7));
  assert.deepEqual((await journal.read('k'))?.labels, Int32Array.of(4));
});

test('another key, no journal, or a damaged one is as good as none', async () => {
  const dir = temporaryFolder();
  const journal = new ImportJournal(dir);
  assert.equal(await journal.read('k'), undefined);
  await journal.write({ key: 'k', rows: 2, ...sums }, Int32Array.of(4, 4));
  assert.equal(await journal.read('other'), undefined);
  await truncate(path.join(dir, 'journal.labels'), 4);
  assert.equal(await journal.read('k'), undefined);
  await writeFile(path.join(dir, 'journal.safetensors'), 'no header');
  assert.equal(await journal.read('k'), undefined);
});
