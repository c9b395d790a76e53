import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openCifar10Source } from '../../../client/import/cifar10-source.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { pattern, readAll } from './source-files.js';

const ROW = 3073;

/** Five batches of 1..5 rows; row r of all has label r mod 10 and values shifted by r. */
async function writeBatches(dir: string): Promise<Uint8Array[]> {
  const rows: Uint8Array[] = [];
  for (let batch = 1; batch <= 5; batch++) {
    const parts: Uint8Array[] = [];
    for (let i = 0; i < batch; i++) {
      const values = pattern(3072).map((value) => value + rows.length);
      parts.push(Uint8Array.of(rows.length % 10), values);
      rows.push(values);
    }
    await writeFile(path.join(dir, `data_batch_${batch}.bin`), Buffer.concat(parts));
  }
  return rows;
}

test('five batches are one source of [3, 32, 32] rows with labels, whole and across batches', async () => {
  const dir = temporaryFolder();
  const rows = await writeBatches(dir);
  const source = await openCifar10Source(dir);
  assert.deepEqual([source.rows, source.shape, source.classNames], [15, [3, 32, 32], undefined]);
  const all = await readAll(source);
  assert.deepEqual(all.labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4]);
  assert.deepEqual(
    all.values,
    rows.flatMap((row) => [...row]),
  );
  const slice = await readAll(source, 2, 5);
  assert.deepEqual(slice.labels, [2, 3, 4, 5, 6]);
  assert.deepEqual(
    slice.values,
    rows.slice(2, 7).flatMap((row) => [...row]),
  );
});

test('class names come from batches.meta.txt', async () => {
  const dir = temporaryFolder();
  await writeBatches(dir);
  const names = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];
  await writeFile(path.join(dir, 'batches.meta.txt'), `${names.join('\n')}\n\n`);
  assert.deepEqual((await openCifar10Source(dir)).classNames, names);
  await writeFile(path.join(dir, 'batches.meta.txt'), 'airplane\n');
  await assert.rejects(openCifar10Source(dir), {
    code: 'FILE_INVALID',
    message: /10 class names, one a line for .*batches\.meta\.txt at byte 0 but received 1/,
  });
});

test('a missing batch, half a row and a label over 9 are refused with file and byte', async () => {
  const dir = temporaryFolder();
  await writeBatches(dir);
  const third = path.join(dir, 'data_batch_3.bin');
  const label = Buffer.alloc(3 * ROW);
  label[2 * ROW] = 10;
  await writeFile(third, label);
  await assert.rejects(async () => readAll(await openCifar10Source(dir)), {
    code: 'FILE_INVALID',
    data: { file: third, offsetBytes: 2 * ROW },
    message: `Expected a label from 0 to 9 for ${third} at byte ${2 * ROW} but received 10`,
  });
  await writeFile(third, Buffer.alloc(3 * ROW - 1));
  await assert.rejects(openCifar10Source(dir), {
    data: { file: third, offsetBytes: 2 * ROW },
    message: /whole rows of 3073 bytes .* received "3072 bytes"/,
  });
  await rm(third);
  await assert.rejects(openCifar10Source(dir), { code: 'FILE_INVALID', message: /data_batch_3\.bin/ });
});
