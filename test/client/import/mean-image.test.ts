import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { importDataSet } from '../../../client/import/import-data-set.js';
import { drawMeanImage, readMeanImage, writeMeanImage } from '../../../client/import/mean-image.js';
import { openDataSet } from '../../../shared/dataset/data-set.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { temporaryFolder } from '../../support/data-sets.js';

async function imported(values: Uint8Array, shape: number[]) {
  const dir = temporaryFolder();
  await writeNpy(path.join(dir, 'rows.npy'), values, shape);
  await importDataSet({ source: `npy:${dir}/rows.npy`, out: path.join(dir, 'out') });
  return openDataSet(path.join(dir, 'out'));
}

test('the mean of all rows is the picture, in its colours', async () => {
  const image = await readMeanImage(await imported(Uint8Array.of(10, 20, 30, 110, 120, 130), [2, 3, 1, 1]));
  assert.deepEqual([image.height, image.width, [...image.pixels]], [1, 1, [60, 70, 80]]);
  const grey = await readMeanImage(await imported(Uint8Array.of(0, 255, 100, 255), [2, 1, 2]));
  assert.deepEqual([...grey.pixels], [50, 50, 50, 255, 255, 255]);
});

test('the PNG shows small images enlarged in whole steps', async () => {
  const dataSet = await imported(Uint8Array.of(0, 255, 255, 0), [1, 2, 2]);
  const file = path.join(dataSet.dir, 'mean.png');
  await writeMeanImage(await readMeanImage(dataSet), file);
  const { data, info } = await sharp(file).greyscale().raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [224, 224]);
  assert.deepEqual([data[0], data[223], data[111], data[112]], [0, 255, 0, 255]);
  await assert.rejects(writeMeanImage(await readMeanImage(dataSet), '/nowhere/mean.png'), { code: 'FILE_INVALID' });
});

test('a terminal shows two pixels in a character', async () => {
  const image = await readMeanImage(await imported(Uint8Array.of(0, 255, 255, 0), [1, 2, 2]));
  assert.equal(await drawMeanImage(image), '\x1b[38;2;0;0;0;48;2;255;255;255m▀\x1b[38;2;255;255;255;48;2;0;0;0m▀\x1b[0m');
  const large = await drawMeanImage({ height: 300, width: 100, pixels: new Uint8Array(90_000) });
  assert.equal(large.split('\n').length, 28);
});

test('a statistics file that was changed is refused by name', async () => {
  const dataSet = await imported(Uint8Array.of(0, 255, 255, 0), [1, 2, 2]);
  await writeFile(path.join(dataSet.dir, 'statistics.safetensors'), 'other');
  await assert.rejects(readMeanImage(dataSet), { code: 'FILE_INVALID', message: /statistics\.safetensors/ });
});
