import assert from 'node:assert/strict';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { openIdxSource } from '../../../client/import/idx-source.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { idxBytes, pattern, readAll, writeIdxPair } from './source-files.js';

const open = (images: string, labels?: string) => openIdxSource({ images, labels, name: 'test', description: 'a test' });
const refusal = (file: string, offsetBytes: number, sentence: RegExp) => (thrown: { code?: string; data?: object; message: string }) => {
  assert.equal(thrown.code, 'FILE_INVALID');
  assert.deepEqual(thrown.data, { file, offsetBytes });
  assert.match(thrown.message, sentence);
  return true;
};

for (const gzipped of [false, true]) {
  test(`${gzipped ? 'gzipped' : 'raw'} images and labels are read in order, whole and as a slice`, async () => {
    const { images, labels, values } = await writeIdxPair(temporaryFolder(), [7, 4, 5], gzipped);
    const source = await open(images, labels);
    assert.deepEqual([source.shape, source.rows, source.dtype, source.labelled], [[1, 4, 5], 7, 'u8', true]);
    assert.deepEqual(await readAll(source), { values: [...values], labels: [0, 1, 2, 0, 1, 2, 0] });
    assert.deepEqual(await readAll(source, 2, 3), { values: [...values.subarray(40, 100)], labels: [2, 0, 1] });
  });
}

test('compression is told by the contents, not by the name', async () => {
  const dir = temporaryFolder();
  const raw = path.join(dir, 'raw.gz');
  const packed = path.join(dir, 'packed');
  await writeFile(raw, idxBytes([2, 2, 2], pattern(8)));
  await writeFile(packed, gzipSync(idxBytes([2, 2, 2], pattern(8))));
  assert.deepEqual(await readAll(await open(raw)), await readAll(await open(packed)));
});

test('images of several channels are [C, H, W]', async () => {
  const file = path.join(temporaryFolder(), 'colour');
  await writeFile(file, idxBytes([2, 3, 2, 2], pattern(24)));
  assert.deepEqual((await open(file)).shape, [3, 2, 2]);
});

test('wrong magic, type or number of dimensions is refused at byte 0', async () => {
  const file = path.join(temporaryFolder(), 'images');
  for (const magic of ['00000801', '00000d03', '89504e47', '00000805']) {
    await writeFile(file, Buffer.concat([Buffer.from(magic, 'hex'), Buffer.alloc(40)]));
    await assert.rejects(open(file), refusal(file, 0, new RegExp(`IDX magic 00 00 08 03 or 00 00 08 04 .* received "${magic}"`)));
  }
});

test('a file that ends in its header, is empty, or states no rows is refused', async () => {
  const file = path.join(temporaryFolder(), 'images');
  await writeFile(file, idxBytes([2, 2, 2], pattern(8)).subarray(0, 9));
  await assert.rejects(open(file), refusal(file, 9, /16 bytes of IDX header/));
  await writeFile(file, '');
  await assert.rejects(open(file), refusal(file, 0, /a file with contents .*an empty file/));
  await writeFile(file, idxBytes([0, 2, 2], new Uint8Array()));
  await assert.rejects(open(file), refusal(file, 4, /1 to 4294967295 rows/));
});

test('a raw file that is too short or too long is refused before any row is read', async () => {
  const { images, labels } = await writeIdxPair(temporaryFolder(), [7, 4, 5]);
  const bytes = await readFile(images);
  await truncate(images, bytes.length - 1);
  await assert.rejects(open(images, labels), refusal(images, 155, /156 bytes in all for \[7, 4, 5\] .* received 155$/));
  await writeFile(images, Buffer.concat([bytes, Buffer.alloc(2)]));
  await assert.rejects(open(images, labels), refusal(images, 156, /received 158$/));
});

test('gzipped contents that are too short or too long are refused where they end', async () => {
  const file = path.join(temporaryFolder(), 'images.gz');
  const bytes = idxBytes([7, 4, 5], pattern(140));
  await writeFile(file, gzipSync(bytes.subarray(0, 100)));
  await assert.rejects(readAll(await open(file)), refusal(file, 100, /56 more bytes of contents .*the end of the file/));
  await writeFile(file, gzipSync(Buffer.concat([bytes, Buffer.alloc(3)])));
  await assert.rejects(readAll(await open(file)), refusal(file, 156, /the end of the contents .*more bytes/));
});

test('a gzip stream that is cut, altered or has a wrong checksum is refused with the compressed byte', async () => {
  const file = path.join(temporaryFolder(), 'images.gz');
  // Large and irregular, so that the header of the contents can be read before the damage.
  const values = Uint8Array.from({ length: 200 * 400 }, (_, i) => Math.floor(Math.abs(Math.sin(i) * 1e6)) & 255);
  const packed = gzipSync(idxBytes([200, 20, 20], values));
  const damaged = (at: number) => Buffer.from(packed.map((byte, index) => (index === at ? byte ^ 0xff : byte)));
  for (const [name, bytes] of [
    ['cut', packed.subarray(0, packed.length - 9)],
    ['checksum', damaged(packed.length - 6)],
    ['length', damaged(packed.length - 2)],
  ] as const) {
    await writeFile(file, bytes);
    await assert.rejects(
      async () => readAll(await open(file)),
      (thrown: { code: string; data: { file: string; offsetBytes: number }; message: string }) => {
        assert.equal(thrown.code, 'FILE_INVALID', name);
        assert.equal(thrown.data.file, file);
        assert.ok(
          thrown.data.offsetBytes > packed.length - 33_000 && thrown.data.offsetBytes <= packed.length,
          `${name}: byte ${thrown.data.offsetBytes}`,
        );
        assert.match(thrown.message, /a gzip stream that is sound from there on/, name);
        return true;
      },
    );
  }
});

test('as many labels as images are expected', async () => {
  const dir = temporaryFolder();
  const { images, labels } = await writeIdxPair(dir, [7, 4, 5]);
  await writeFile(labels, idxBytes([6], new Uint8Array(6)));
  await assert.rejects(open(images, labels), refusal(labels, 4, /7 labels, one for each image .* received 6/));
  await writeFile(labels, idxBytes([7], new Uint8Array(5)));
  await assert.rejects(open(images, labels), refusal(labels, 13, /15 bytes in all for \[7\]/));
});
