import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { readCovarianceFile, writeCovarianceFile } from '../../../coordinator/statistics/covariance-file.js';
import { COVARIANCE_FILE } from '../../../shared/dataset/manifest-validation.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { randomDataSet } from '../test-data.js';

const { manifest } = randomDataSet({ rows: 6, partitions: 2, shape: [1, 1, 3] });
const covariance = { rows: 6, mean: Float64Array.of(1, 2, 3), covariance: Float64Array.from({ length: 9 }, (_, i) => i / 7) };

test('what is written is read, on shared memory, and nothing else is left', async () => {
  const dir = temporaryFolder();
  const bad: string[] = [];
  assert.equal(await readCovarianceFile(dir, manifest, (reason) => bad.push(reason)), undefined);
  await writeCovarianceFile(dir, manifest, covariance);
  const found = await readCovarianceFile(dir, manifest, (reason) => bad.push(reason));
  assert.deepEqual(found, covariance);
  assert.ok(found?.covariance.buffer instanceof SharedArrayBuffer);
  assert.deepEqual([bad, await readdir(dir)], [[], [COVARIANCE_FILE]]);
});

test('a file of another content, another shape, or with a flipped bit is passed over, with the reason', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, COVARIANCE_FILE);
  await writeCovarianceFile(dir, manifest, covariance);
  const good = await readFile(file);
  const reasonOf = async (contents: Buffer, of = manifest): Promise<string> => {
    await writeFile(file, contents);
    const bad: string[] = [];
    assert.equal(await readCovarianceFile(dir, of, (reason) => bad.push(reason)), undefined);
    assert.equal(bad.length, 1);
    return bad[0]!;
  };
  assert.match(await reasonOf(good, { ...manifest, contentHash: 'other' }), /another content_hash/);
  assert.match(await reasonOf(good, { ...manifest, shape: [1, 2, 2] }), /no tensor mean of F64 \[4\]/);
  const flipped = Buffer.from(good);
  flipped[good.length - 3]! ^= 1;
  assert.match(await reasonOf(flipped), /another tensors_sha256/);
  assert.match(await reasonOf(good.subarray(0, 60)), new RegExp(COVARIANCE_FILE));
  assert.match(await reasonOf(Buffer.alloc(0)), new RegExp(COVARIANCE_FILE));
});

test('a folder that is not there is an error of the writer', async () => {
  await assert.rejects(writeCovarianceFile(path.join(temporaryFolder(), 'none'), manifest, covariance), { code: 'ENOENT' });
});
