/** Imports of real data sets, where they are at hand: the rows that are read back are those of the source. */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { EMOJI_SETS } from '../../client/import/emoji-source.js';
import { importDataSet } from '../../client/import/import-data-set.js';
import { userCacheDir } from '../../client/import/npm-package.js';
import { openSource } from '../../client/import/open-source.js';
import { loadPartition, openDataSet } from '../../shared/dataset/data-set.js';
import { plainMnist, temporaryFolder } from '../support/data-sets.js';

const FASHION = '/usr/share/datasets/fashion-mnist';
const DIM = 784;

/** Every row of the data set at the place of its id. */
async function readBack(dir: string): Promise<{ pixels: Uint8Array; labels: Int32Array; classes: readonly { name: string; rows: number }[] }> {
  const dataSet = await openDataSet(dir);
  const { rows, partitions, classes } = dataSet.manifest;
  const pixels = new Uint8Array(rows * DIM);
  const labels = new Int32Array(rows);
  for (const { id } of partitions) {
    const part = await loadPartition(dataSet, id);
    for (let i = 0; i < part.rows; i++) {
      pixels.set(part.values.subarray(i * DIM, (i + 1) * DIM), part.rowIds[i]! * DIM);
      labels[part.rowIds[i]!] = part.labels[i]!;
    }
  }
  return { pixels, labels, classes };
}

test('MNIST: all 60,000 rows and labels come back at their ids', async () => {
  const out = path.join(temporaryFolder(), 'mnist');
  await importDataSet({ source: 'mnist', out, partitions: 16, seed: 0 });
  const got = await readBack(out);
  const want = plainMnist(0, 60_000);
  assert.ok(Buffer.from(got.pixels.buffer).equals(want.pixels));
  assert.deepEqual([...got.labels], [...Uint8Array.from(want.labels)]);
});

test('Fashion-MNIST: all 60,000 rows come back from the gzipped files of the Debian package', async (t) => {
  if (!existsSync(FASHION)) return t.skip('needs the Debian package dataset-fashion-mnist');
  const out = path.join(temporaryFolder(), 'fashion');
  await importDataSet({ source: 'fashion-mnist', out, partitions: 16, seed: 0 });
  const got = await readBack(out);
  const images = gunzipSync(readFileSync(path.join(FASHION, 'train-images-idx3-ubyte.gz'))).subarray(16);
  assert.ok(Buffer.from(got.pixels.buffer).equals(images));
  assert.deepEqual(
    got.classes.map((c) => c.rows),
    Array(10).fill(6000),
  );
});

test('the emoji packages have 10,909 different images in Unicode groups, and import', async (t) => {
  const missing = EMOJI_SETS.find(({ name, version }) => !existsSync(path.join(userCacheDir(), `${name}@${version}`.replace('/', '+'))));
  if (missing !== undefined) return t.skip(`needs ${missing.name} in the cache: golddiff dataset import emoji --out DIR fetches it`);
  const source = await openSource('emoji');
  assert.deepEqual([source.rows, source.shape, source.classNames?.length], [10_909, [3, 32, 32], 10]);
  // Across the border between the first two sets.
  const { manifest } = await importDataSet({ source: 'emoji', out: path.join(temporaryFolder(), 'emoji'), first: 3_700, limit: 200, partitions: 3 });
  assert.equal(manifest.rows, 200);
});
