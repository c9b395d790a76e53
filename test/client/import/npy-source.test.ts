import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openNpySource } from '../../../client/import/npy-source.js';
import { npyHeader, writeNpy } from '../../../shared/dataset/npy.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { pattern, readAll } from './source-files.js';

test('8-bit arrays of two, three and four dimensions are rows of [C, H, W]', async () => {
  const file = path.join(temporaryFolder(), 'rows.npy');
  const values = pattern(48);
  for (const [shape, expected] of [
    [
      [4, 12],
      [1, 1, 12],
    ],
    [
      [4, 3, 4],
      [1, 3, 4],
    ],
    [
      [4, 3, 2, 2],
      [3, 2, 2],
    ],
  ]) {
    await writeNpy(file, values, shape!);
    const source = await openNpySource(file);
    assert.deepEqual([source.shape, source.rows, source.dtype], [expected, 4, 'u8']);
    assert.deepEqual((await readAll(source)).values, [...values]);
    assert.deepEqual((await readAll(source, 1, 2)).values, [...values.subarray(12, 36)]);
  }
});

test('32-bit arrays are kept as they are, also over several blocks', async () => {
  const file = path.join(temporaryFolder(), 'rows.npy');
  const values = Float32Array.from({ length: 1000 * 301 }, (_, i) => Math.sin(i));
  await writeNpy(file, values, [1000, 301]);
  const source = await openNpySource(file);
  assert.equal(source.dtype, 'f32');
  assert.deepEqual(Float32Array.from((await readAll(source)).values), values);
});

test('NaN, infinite and out-of-range values are refused with row and byte', async () => {
  const file = path.join(temporaryFolder(), 'rows.npy');
  for (const bad of [NaN, Infinity, -1.0001, 1.5]) {
    const values = new Float32Array(40);
    values[27] = bad;
    await writeNpy(file, values, [10, 4]);
    await assert.rejects(async () => readAll(await openNpySource(file)), {
      code: 'FILE_INVALID',
      data: { file, offsetBytes: 128 + 27 * 4 },
      message: new RegExp(`a value in \\[-1, 1\\] \\(row 6\\) for .* at byte 236 but received ${Math.fround(bad)}`),
    });
  }
});

test('labels are u1, i4 or i8, one for each row, from 0', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'rows.npy');
  const labels = path.join(dir, 'labels.npy');
  await writeNpy(file, pattern(12), [3, 4]);
  await writeNpy(labels, Uint8Array.of(2, 0, 9), [3]);
  assert.deepEqual((await readAll(await openNpySource(file, labels))).labels, [2, 0, 9]);

  const header = Buffer.from(npyHeader('f8', [3]).toString('latin1').replace('<f8', '<i8'), 'latin1');
  await writeFile(labels, Buffer.concat([header, Buffer.from(BigInt64Array.of(5n, 70_000n, 1n).buffer)]));
  assert.deepEqual((await readAll(await openNpySource(file, labels), 1, 2)).labels, [70_000, 1]);
  await writeFile(labels, Buffer.concat([header, Buffer.from(BigInt64Array.of(5n, -1n, 1n).buffer)]));
  await assert.rejects(openNpySource(file, labels), {
    data: { file: labels, offsetBytes: header.length + 8 },
    message: /a label from 0 to 2147483647 \(row 1\) .* received -1/,
  });
  await writeNpy(labels, Uint8Array.of(2, 0), [2]);
  await assert.rejects(openNpySource(file, labels), { code: 'FILE_INVALID', message: /shape \[3\], a label for each row .* "\[2\]"/ });
});

test('other shapes and dtypes, no rows, and a cut file are refused', async () => {
  const file = path.join(temporaryFolder(), 'rows.npy');
  await writeNpy(file, pattern(12), [12]);
  await assert.rejects(openNpySource(file), { message: /shape \[N, D\], \[N, H, W\] or \[N, C, H, W\] .* "\[12\]"/ });
  await writeNpy(file, new Float64Array(4), [2, 2]);
  await assert.rejects(openNpySource(file), { message: /little-endian u1, f4 .* "<f8"/ });
  await writeNpy(file, new Uint8Array(0), [0, 4]);
  await assert.rejects(openNpySource(file), { message: /1 to 4294967295 rows .* 0/ });
  await writeNpy(file, pattern(12), [3, 4]);
  await truncate(file, 135);
  await assert.rejects(openNpySource(file), { data: { file, offsetBytes: 135 }, message: /140 bytes in all for shape \[3, 4\] of u1 .* 135/ });
});
