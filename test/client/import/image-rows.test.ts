import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { imageRowShape, readImageRows, type ImageFile } from '../../../client/import/image-rows.js';
import { temporaryFolder } from '../../support/data-sets.js';

async function plainFile(dir: string, name: string, grey: number): Promise<string> {
  const file = path.join(dir, name);
  await sharp({ create: { width: 4, height: 4, channels: 3, background: { r: grey, g: grey, b: grey } } })
    .png()
    .toFile(file);
  return file;
}

const GREY_2 = { sizePixels: 2, channels: 'grey', labelled: true } as const;

test('more images than a block holds come in blocks, in order, with their labels', async () => {
  const dir = temporaryFolder();
  const [dark, bright] = [await plainFile(dir, 'dark.png', 10), await plainFile(dir, 'bright.png', 200)];
  const files: ImageFile[] = Array.from({ length: 300 }, (_, i) => ({ path: i % 3 === 0 ? dark : bright, label: i % 3 }));
  assert.deepEqual(imageRowShape(GREY_2), [1, 2, 2]);
  const sizes: number[] = [];
  let row = 5;
  for await (const { rows, values, labels } of readImageRows(files, GREY_2, 5, 290)) {
    sizes.push(rows);
    for (let i = 0; i < rows; i++, row++) {
      assert.equal(labels?.[i], row % 3);
      assert.deepEqual([...values.subarray(i * 4, i * 4 + 4)], new Array(4).fill(row % 3 === 0 ? 10 : 200));
    }
  }
  assert.deepEqual(sizes, [256, 34]);
});

test('a signal ends the reading', async () => {
  const file = await plainFile(temporaryFolder(), 'a.png', 1);
  const stopped = AbortSignal.abort(new Error('enough'));
  await assert.rejects(async () => {
    for await (const block of readImageRows([{ path: file, label: 0 }], GREY_2, 0, 1, stopped)) assert.fail(`${block.rows} rows`);
  }, /enough/);
});
