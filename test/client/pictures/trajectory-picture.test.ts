import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { trajectoryPng } from '../../../client/pictures/trajectory-picture.js';

test('samples are rows and steps are columns', async () => {
  // One pixel a tile, enlarged to 84: two samples, three steps, bytes that tell which is which.
  const column = (label: string, ...bytes: number[]) => ({ label, images: { values: Uint8Array.from(bytes), count: 2, shape: [1, 1, 1] as const } });
  const png = await trajectoryPng([column('t = 2', 0, 50), column('t = 1', 100, 150), column('t = 0', 200, 250)], 'A title');
  const { data, info } = await sharp(png).greyscale().raw().toBuffer({ resolveWithObject: true });
  const tile = (row: number, step: number): number => data[(56 + 4 + row * 88 + 42) * info.width + 12 + 4 + step * 88 + 42] ?? -1;
  assert.deepEqual(
    [0, 1].map((row) => [0, 1, 2].map((step) => tile(row, step))),
    [
      [0, 100, 200],
      [50, 150, 250],
    ],
  );
});

test('steps with unequal numbers of samples are a bug of the caller', async () => {
  const images = (count: number) => ({ label: '', images: { values: new Uint8Array(count), count, shape: [1, 1, 1] as const } });
  await assert.rejects(trajectoryPng([images(2), images(1)], ''), /same samples/);
  await assert.rejects(trajectoryPng([], ''), /at least one step/);
});
