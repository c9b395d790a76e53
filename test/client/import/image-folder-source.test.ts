import assert from 'node:assert/strict';
import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { openImageFolderSource } from '../../../client/import/image-folder-source.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { readAll } from './source-files.js';

const plain = (r: number, g: number, b: number, width = 10, height = 10) =>
  sharp({ create: { width, height, channels: 3, background: { r, g, b } } });

test('images in class folders are rows with labels, in the order of names', async () => {
  const dir = temporaryFolder();
  for (const [folder, name, red] of [
    ['b', '2.png', 30],
    ['b', '10.png', 20],
    ['a', 'x.png', 10],
  ] as const) {
    await mkdir(path.join(dir, folder), { recursive: true });
    await plain(red, 100, 200)
      .png()
      .toFile(path.join(dir, folder, name));
  }
  await writeFile(path.join(dir, 'a', 'notes.txt'), 'no image');
  await mkdir(path.join(dir, 'empty'));
  const source = await openImageFolderSource({ dir, sizePixels: 2, channels: 'rgb' });
  assert.deepEqual([source.rows, source.shape, source.classNames], [3, [3, 2, 2], ['a', 'b']]);
  const { values, labels } = await readAll(source);
  assert.deepEqual(labels, [0, 1, 1]);
  const planes = (red: number) => [red, 100, 200].flatMap((value) => [value, value, value, value]);
  assert.deepEqual(values, [...planes(10), ...planes(20), ...planes(30)]);
  assert.deepEqual((await readAll(source, 2, 1)).values, planes(30));
});

test('images without class folders have no labels, and grey ones have one channel', async () => {
  const dir = temporaryFolder();
  await plain(50, 50, 50).png().toFile(path.join(dir, 'a.png'));
  const source = await openImageFolderSource({ dir, sizePixels: 3, channels: 'grey' });
  assert.deepEqual([source.shape, source.labelled, source.classNames], [[1, 3, 3], false, undefined]);
  assert.deepEqual(
    (await readAll(source)).values,
    Array.from({ length: 9 }, () => 50),
  );
});

test('a wide image is cropped at its centre and a transparent one lies on white', async () => {
  const dir = temporaryFolder();
  const wide = Buffer.alloc(30 * 10 * 3);
  for (let y = 0; y < 10; y++) for (let x = 10; x < 20; x++) wide[(y * 30 + x) * 3] = 200;
  await sharp(wide, { raw: { width: 30, height: 10, channels: 3 } })
    .png()
    .toFile(path.join(dir, 'a.png'));
  await sharp({ create: { width: 10, height: 10, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } })
    .png()
    .toFile(path.join(dir, 'b.png'));
  const { values } = await readAll(await openImageFolderSource({ dir, sizePixels: 10, channels: 'rgb' }));
  assert.ok(values.slice(0, 100).every((value) => value === 200));
  assert.ok(values.slice(300).every((value) => value === 255));
});

test('a broken image is refused by its file name', async () => {
  const dir = temporaryFolder();
  const broken = path.join(dir, 'b.jpg');
  await plain(1, 2, 3).png().toFile(path.join(dir, 'a.png'));
  const open = () => openImageFolderSource({ dir, sizePixels: 8, channels: 'rgb' });
  await sharp({ create: { width: 200, height: 200, channels: 3, background: '#123', noise: { type: 'gaussian', mean: 128, sigma: 30 } } })
    .jpeg()
    .toFile(broken);
  await truncate(broken, Math.floor((await readFile(broken)).length / 2));
  const refused = { code: 'FILE_INVALID', data: { file: broken }, message: /an image that decodes for .*b\.jpg but received/ };
  await assert.rejects(async () => readAll(await open()), refused);
  await writeFile(broken, 'not an image');
  await assert.rejects(async () => readAll(await open()), refused);
  await writeFile(broken, '');
  await assert.rejects(async () => readAll(await open()), refused);
});

test('an empty folder, a missing one, and images beside class folders are refused', async () => {
  const dir = temporaryFolder();
  const open = (folder: string) => openImageFolderSource({ dir: folder, sizePixels: 8, channels: 'rgb' });
  await assert.rejects(open(dir), { code: 'FILE_INVALID', message: /images \(\.png .* received "none"/ });
  await assert.rejects(open(path.join(dir, 'none')), { message: /a readable folder .* "ENOENT"/ });
  await mkdir(path.join(dir, 'class'));
  await plain(1, 2, 3)
    .png()
    .toFile(path.join(dir, 'class', 'a.png'));
  await plain(1, 2, 3).png().toFile(path.join(dir, 'b.png'));
  await assert.rejects(open(dir), { message: /either all in class folders or none .* "b\.png beside folder class"/ });
});

test('the identity of a folder changes with its files', async () => {
  const dir = temporaryFolder();
  const identity = async () => JSON.stringify((await openImageFolderSource({ dir, sizePixels: 8, channels: 'rgb' })).identity);
  await plain(1, 2, 3).png().toFile(path.join(dir, 'a.png'));
  const before = await identity();
  assert.equal(await identity(), before);
  await plain(1, 2, 3).png().toFile(path.join(dir, 'b.png'));
  assert.notEqual(await identity(), before);
});
