import assert from 'node:assert/strict';
import { copyFile, rm, truncate } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { loadTaken } from '../../shard-worker/load-taken.js';
import { openDataSet, type DataSet, type DataSetFiles } from '../../shared/dataset/data-set.js';
import { GolddiffError } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { Places } from '../../shared/places.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';
import { temporaryFolder } from '../support/data-sets.js';

const { dir } = await writeSmallDataSet({ shape: [1, 1, 2], values: Uint8Array.of(1, 2, 3, 4), partitions: [[0], [1]] });
after(() => rm(dir, { recursive: true }));
const settings = { signal: new AbortController().signal, places: new Places(1), log: createLogger('test', 'silent') };

/** A data set whose files are copied to where they are taken; the first `damaged` of them are cut short. */
async function remote(damaged: number): Promise<{ dataSet: DataSet; told: string[] }> {
  const told: string[] = [];
  const { manifest } = await openDataSet(dir);
  const there = temporaryFolder();
  let taken = 0;
  const files: DataSetFiles = {
    take: async ({ file }) => {
      const target = path.join(there, file);
      await copyFile(path.join(dir, file), target);
      if (taken++ < damaged) await truncate(target, 20);
      told.push('take');
      return { path: target, release: async () => void told.push('release'), discard: async () => void told.push('discard') };
    },
    optional: () => Promise.resolve(undefined),
    offer: () => Promise.resolve(),
  };
  return { dataSet: { dir: there, manifest, files }, told };
}

test('a partition of a folder is loaded from there, and nothing is to be released', async () => {
  const rows: number[] = [];
  const release = await loadTaken(await openDataSet(dir), 1, settings, async ({ values }) => void rows.push(...values));
  assert.deepEqual(rows, [3, 4]);
  await release();
  await assert.rejects(
    loadTaken(await openDataSet(dir), 9, settings, () => assert.fail('there is none')),
    { code: 'NOT_FOUND' },
  );
});

test('a file that was taken is held until it is released', async () => {
  const { dataSet, told } = await remote(0);
  const release = await loadTaken(dataSet, 0, settings, () => Promise.resolve());
  assert.deepEqual(told, ['take']);
  await release();
  assert.deepEqual(told, ['take', 'release']);
});

test('a damaged file is thrown away and taken again, once', async () => {
  const once = await remote(1);
  await loadTaken(once.dataSet, 0, settings, () => Promise.resolve());
  assert.deepEqual(once.told, ['take', 'discard', 'take']);
  const ever = await remote(9);
  await assert.rejects(
    loadTaken(ever.dataSet, 0, settings, () => Promise.resolve()),
    { code: 'FILE_INVALID' },
  );
  assert.deepEqual(ever.told, ['take', 'discard', 'take', 'discard']);
});

test('a backend that refuses the rows lets the file go', async () => {
  const { dataSet, told } = await remote(0);
  const refuse = () => Promise.reject(new GolddiffError('LIMIT_EXCEEDED', 'no room'));
  await assert.rejects(loadTaken(dataSet, 0, settings, refuse), { code: 'LIMIT_EXCEEDED' });
  assert.deepEqual(told, ['take', 'release']);
});
