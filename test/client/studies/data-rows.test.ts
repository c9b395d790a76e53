import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { importDataSet } from '../../../client/import/import-data-set.js';
import { DataRows } from '../../../client/studies/data-rows.js';
import { loadPartition, openDataSet } from '../../../shared/dataset/data-set.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { importMnist, temporaryFolder } from '../../support/data-sets.js';

test('every row and label is what a worker loads, through all partitions', async () => {
  const dataSet = await openDataSet(await importMnist(0, 50, 3));
  const reader = new DataRows(dataSet);
  let position = 0;
  for (const { id } of dataSet.manifest.partitions) {
    const { values, labels, rows } = await loadPartition(dataSet, id);
    for (let i = 0; i < rows; i++, position++) {
      assert.deepEqual(
        await reader.values(position),
        Float64Array.from(values.subarray(i * 784, (i + 1) * 784), (v) => v / 127.5 - 1),
      );
      assert.equal(await reader.label(position), labels[i]);
    }
  }
  assert.equal(position, 50);
  await assert.rejects(reader.values(50), /Invariant broken/);
  await reader.close();
});

test('32-bit rows come as they are', async () => {
  const dir = temporaryFolder();
  const rows = Float32Array.from({ length: 12 }, (_, i) => Math.sin(i));
  await writeNpy(path.join(dir, 'rows.npy'), rows, [3, 4]);
  await importDataSet({ source: `npy:${dir}/rows.npy`, out: path.join(dir, 'set'), partitions: 1 });
  const reader = new DataRows(await openDataSet(path.join(dir, 'set')));
  const found = new Set<number>();
  for (let position = 0; position < 3; position++) found.add((await reader.values(position))[0]!);
  assert.deepEqual(found, new Set([rows[0], rows[4], rows[8]]));
  assert.equal(await reader.label(0), -1);
  await reader.close();
});

test('a partition that is cut short, or gone, is refused by its name', async () => {
  const dir = await importMnist(0, 10, 2);
  const first = path.join(dir, 'partition-00000.safetensors');
  const reader = new DataRows(await openDataSet(dir));
  await truncate(first, 900);
  await assert.rejects(reader.values(0), { code: 'FILE_INVALID', data: { file: first, offsetBytes: 900 } });
  await writeFile(first, '');
  await assert.rejects(reader.values(0), { code: 'FILE_INVALID' });
  await reader.close();
});
