import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fetchCovariance, offerCovariance } from '../../../coordinator/statistics/covariance-source.js';
import { COVARIANCE_FILE } from '../../../shared/dataset/manifest-validation.js';
import type { DataSet, DataSetFiles } from '../../../shared/dataset/data-set.js';
import { GolddiffError } from '../../../shared/errors.js';
import { createLogger } from '../../../shared/log.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { randomDataSet } from '../test-data.js';

const log = createLogger('test', 'silent');
const never = new AbortController().signal;

function remote(files: Partial<DataSetFiles>): DataSet {
  const refuse = () => Promise.reject(new GolddiffError('DATA_UNAVAILABLE', 'away'));
  const { manifest } = randomDataSet({ rows: 6, partitions: 2, shape: [1, 1, 3] });
  return { dir: temporaryFolder(), manifest, files: { take: refuse, optional: refuse, offer: refuse, ...files } };
}

test('it is fetched once, and kept beside what else is made of the data set', async () => {
  let asked = 0;
  const dataSet = remote({ optional: () => Promise.resolve((asked++, Buffer.from('c'))) });
  await fetchCovariance(dataSet, log, never);
  await fetchCovariance(dataSet, log, never);
  assert.equal(asked, 1);
  assert.equal(await readFile(path.join(dataSet.dir, COVARIANCE_FILE), 'utf8'), 'c');
  assert.deepEqual(await readdir(dataSet.dir), [COVARIANCE_FILE]);
});

test('where there is none, where the source is away, and for a folder, nothing happens; aborted, it ends', async () => {
  const none = remote({ optional: () => Promise.resolve(undefined) });
  await fetchCovariance(none, log, never);
  const away = remote({});
  await fetchCovariance(away, log, never);
  for (const { dir } of [none, away]) assert.deepEqual(await readdir(dir), []);
  const { files, ...folder } = away;
  assert.ok(files !== undefined);
  await fetchCovariance(folder, log, never);
  await offerCovariance(folder, log);
  await assert.rejects(fetchCovariance(away, log, AbortSignal.abort(new Error('stop'))), { message: 'stop' });
});

test('one that was made is offered to the source, and no harm is done where that refuses', async () => {
  const offered: unknown[] = [];
  const dataSet = remote({ offer: async (...given) => void offered.push(given) });
  await writeFile(path.join(dataSet.dir, COVARIANCE_FILE), 'made');
  await offerCovariance(dataSet, log);
  assert.deepEqual(offered, [[COVARIANCE_FILE, Buffer.from('made')]]);
  await offerCovariance(remote({}), log);
});
