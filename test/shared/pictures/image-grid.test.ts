import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { defaultScale, drawGrid, imageGridPng, pixelOfValue } from '../../../shared/pictures/image-grid.js';

const at = (picture: { pixels: Buffer; width: number }, x: number, y: number): number[] => [
  ...picture.pixels.subarray((y * picture.width + x) * 3).subarray(0, 3),
];

test('tiles are laid out row by row with gaps, each pixel a square', () => {
  const values = Uint8Array.of(10, 20, 30, 40, 50, 60);
  const picture = drawGrid({ values, count: 3, shape: [1, 1, 2] }, { columns: 2, scale: 3, gapPixels: 1, background: [1, 2, 3] });
  assert.deepEqual([picture.width, picture.height], [2 * 6 + 3, 2 * 3 + 3]);
  assert.deepEqual(at(picture, 0, 0), [1, 2, 3]);
  assert.deepEqual(
    [at(picture, 1, 1), at(picture, 3, 3), at(picture, 4, 1)],
    [
      [10, 10, 10],
      [10, 10, 10],
      [20, 20, 20],
    ],
  );
  assert.deepEqual(at(picture, 8, 1), [30, 30, 30]);
  assert.deepEqual(at(picture, 1, 5), [50, 50, 50]);
  assert.deepEqual(at(picture, 8, 5), [1, 2, 3], 'a place without an image is background');
});

test('three channels are colour, any other number shows the first', () => {
  const rgb = drawGrid({ values: Float32Array.of(1, -1, 0), count: 1, shape: [3, 1, 1] }, { scale: 1, gapPixels: 0 });
  assert.deepEqual([...rgb.pixels], [255, 0, 128]);
  const two = drawGrid({ values: Uint8Array.of(7, 9), count: 1, shape: [2, 1, 1] }, { scale: 1, gapPixels: 0 });
  assert.deepEqual([...two.pixels], [7, 7, 7]);
});

test('values outside the range are clipped, and every byte comes back as itself', () => {
  assert.deepEqual([pixelOfValue(-3), pixelOfValue(3)], [0, 255]);
  for (let u = 0; u < 256; u++) assert.equal(pixelOfValue(u / 127.5 - 1), u);
});

test('the PNG holds the picture, and large images are not enlarged', async () => {
  const png = await imageGridPng({ values: new Uint8Array(4 * 784), count: 4, shape: [1, 28, 28] });
  const { width, height, format } = await sharp(png).metadata();
  assert.deepEqual([width, height, format], [2 * 84 + 12, 2 * 84 + 12, 'png']);
  assert.equal(defaultScale(512), 1);
});
