import assert from 'node:assert/strict';
import { test } from 'node:test';

import sharp from 'sharp';

import { labelledSheetPng } from '../../../client/pictures/labelled-sheet.js';

const images = (count: number, grey: number) => ({ values: new Uint8Array(count * 16).fill(grey), count, shape: [1, 4, 4] as const });

test('images stand in their rows and columns, right of the labels and below the title', async () => {
  const rows = [
    { label: 'noisy', images: images(3, 0) },
    { label: 'a much longer label', images: { ...images(3, 0), values: Float32Array.from({ length: 48 }, () => 1) } },
  ];
  const png = await labelledSheetPng({ title: 'Sheet', columns: ['t = 2', 't = 1', 't = 0'], rows });
  const { data, info } = await sharp(png).removeAlpha().greyscale().raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number): number => data[y * info.width + x]!;
  // Tiles are 84 wide: the last column ends a gap and a margin before the edge.
  const x = info.width - 14 - 4 - 42;
  assert.deepEqual([at(x, 62 + 4 + 42), at(x - 88, 62 + 4 + 42), at(x, 62 + 8 + 84 + 42)], [0, 0, 255]);
  const wide = await labelledSheetPng({
    title: 'A title that is far wider than one image of four pixels',
    columns: ['0'],
    rows: [{ label: 'x', images: images(1, 9) }],
  });
  assert.ok((await sharp(wide).metadata()).width > 500);
});

test('a row with more or fewer images than columns is a bug', async () => {
  await assert.rejects(labelledSheetPng({ title: '', columns: ['a'], rows: [{ label: '', images: images(2, 0) }] }), /Invariant broken/);
  await assert.rejects(labelledSheetPng({ title: '', columns: ['a'], rows: [] }), /Invariant broken/);
});
