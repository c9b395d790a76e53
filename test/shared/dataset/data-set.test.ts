import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { loadPartition, openDataSet, verifyFile } from '../../../shared/dataset/data-set.js';
import { GolddiffError } from '../../../shared/errors.js';
import { writeSmallDataSet } from './small-data-set.js';

const values = Uint8Array.from({ length: 5 * 6 }, (_, i) => i * 7);
const small = {
  shape: [1, 2, 3] as const,
  values,
  labels: Int32Array.of(0, 1, 1, 0, 2),
  partitions: [
    [0, 3],
    [1, 2, 4],
  ],
};

function fileInvalid(file: string, sentence: RegExp) {
  return (thrown: unknown) => {
    assert.ok(thrown instanceof GolddiffError, String(thrown));
    assert.equal(thrown.code, 'FILE_INVALID');
    assert.equal(path.basename(thrown.data.file ?? ''), file);
    assert.match(thrown.message, sentence);
    return true;
  };
}

test('a partition is loaded with its rows, labels and global row ids on shared memory', async () => {
  const { dir } = await writeSmallDataSet(small);
  const dataSet = await openDataSet(dir);
  const part = await loadPartition(dataSet, 1);
  assert.deepEqual([...part.rowIds], [1, 2, 4]);
  assert.deepEqual([...part.labels], [1, 1, 2]);
  assert.deepEqual([...part.values], [...values.subarray(6, 18), ...values.subarray(24, 30)]);
  assert.equal(part.rows, 3);
  assert.equal(part.sha256, dataSet.manifest.partitions[1]?.sha256);
  for (const array of [part.values, part.labels, part.rowIds]) assert.ok(array.buffer instanceof SharedArrayBuffer);
  await rm(dir, { recursive: true });
});

test('32-bit rows larger than one read are loaded bit for bit', async () => {
  const rows = 1500;
  const floats = Float32Array.from({ length: rows * 300 }, (_, i) => Math.sin(i));
  const { dir } = await writeSmallDataSet({ shape: [3, 10, 10], values: floats, partitions: [Array.from({ length: rows }, (_, i) => i)] });
  const part = await loadPartition(await openDataSet(dir), 0);
  assert.ok(part.values instanceof Float32Array);
  assert.deepEqual(Buffer.from(part.values.buffer), Buffer.from(floats.buffer));
  assert.ok(part.labels.every((label) => label === -1));
  await rm(dir, { recursive: true });
});

test('one flipped byte anywhere in a partition is refused by the name of its file', async () => {
  const { dir } = await writeSmallDataSet(small);
  const dataSet = await openDataSet(dir);
  const file = path.join(dir, 'partition-00001.safetensors');
  const good = await readFile(file);
  for (let at = 0; at < good.length; at++) {
    const bad = Buffer.from(good);
    bad[at]! ^= 1;
    await writeFile(file, bad);
    await assert.rejects(loadPartition(dataSet, 1), fileInvalid('partition-00001.safetensors', /partition-00001\.safetensors/));
    await assert.rejects(verifyFile(file, dataSet.manifest.partitions[1]!.sha256), fileInvalid('partition-00001.safetensors', /sha256/));
  }
  await loadPartition(dataSet, 0);
  await rm(dir, { recursive: true });
});

test('a truncated and a missing partition are refused with file and byte', async () => {
  const { dir, manifest } = await writeSmallDataSet(small);
  const dataSet = await openDataSet(dir);
  const file = path.join(dir, 'partition-00000.safetensors');
  const { bytes } = manifest.partitions[0]!;
  await truncate(file, bytes - 3);
  await assert.rejects(
    loadPartition(dataSet, 0),
    fileInvalid('partition-00000.safetensors', new RegExp(`at byte ${bytes - 3} but received ${bytes - 3}`)),
  );
  await rm(file);
  await assert.rejects(loadPartition(dataSet, 0), fileInvalid('partition-00000.safetensors', /a readable file .*ENOENT/));
  await assert.rejects(loadPartition(dataSet, 2), { code: 'NOT_FOUND', message: 'Expected an id from 0 to 1 for partition but received 2' });
  await rm(dir, { recursive: true });
});

test('a partition whose tensors have another shape than the manifest says is refused', async () => {
  const { dir, manifest } = await writeSmallDataSet(small);
  await writeFile(path.join(dir, 'manifest.json'), JSON.stringify({ ...manifest, shape: [1, 3, 3] }));
  await assert.rejects(
    loadPartition(await openDataSet(dir), 0),
    fileInvalid('partition-00000.safetensors', /tensor rows of U8 \[2, 9\] .*U8 \[2, 6\]/),
  );
  await rm(dir, { recursive: true });
});

test('a load stops when its signal is aborted', async () => {
  const { dir } = await writeSmallDataSet(small);
  await assert.rejects(loadPartition(await openDataSet(dir), 0, AbortSignal.abort()), { name: 'AbortError' });
  await rm(dir, { recursive: true });
});

test('a folder without a manifest is not a data set', async () => {
  await assert.rejects(openDataSet('/nowhere/at/all'), { code: 'NOT_FOUND', message: /a data set folder with manifest\.json/ });
});
