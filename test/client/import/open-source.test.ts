import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openSource } from '../../../client/import/open-source.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { plainMnist, temporaryFolder } from '../../support/data-sets.js';
import { writeEmojiPackages } from './emoji-packages.js';
import { pattern, readAll, writeIdxPair } from './source-files.js';

test('mnist is the 60,000 training digits with their labels', async () => {
  const source = await openSource('mnist');
  assert.deepEqual([source.rows, source.shape, source.dtype, source.classNames?.length], [60_000, [1, 28, 28], 'u8', 10]);
  const expected = plainMnist(59_990, 10);
  const { values, labels } = await readAll(source, 59_990, 10);
  assert.deepEqual(values, [...expected.pixels]);
  assert.deepEqual(labels, Array.from(expected.labels));
});

test('fashion-mnist is read from a folder, gzipped or not, with the names of its classes', async () => {
  for (const gzipped of [false, true]) {
    const dir = temporaryFolder();
    await writeIdxPair(dir, [5, 28, 28], gzipped);
    const source = await openSource(`fashion-mnist:${dir}`);
    assert.deepEqual([source.rows, source.classNames?.[9], source.defaultName], [5, 'Ankle boot', 'fashion-mnist']);
  }
});

test('fashion-mnist that is not there names the package to install', async () => {
  const dir = temporaryFolder();
  await assert.rejects(openSource(`fashion-mnist:${dir}`), {
    code: 'NOT_FOUND',
    message: new RegExp(`train-images-idx3-ubyte\\.gz or .* in ${dir} but received none: install the Debian package dataset-fashion-mnist`),
  });
});

test('idx, cifar10, images, emoji and npy go to their readers', async () => {
  const dir = temporaryFolder();
  const { images, labels } = await writeIdxPair(dir, [4, 2, 2]);
  assert.equal((await openSource(`idx:${images}`)).labelled, false);
  const labelled = await openSource(`idx:${images},${labels}`);
  assert.deepEqual([labelled.labelled, labelled.defaultName], [true, 'train-images']);
  await writeNpy(path.join(dir, 'rows.npy'), pattern(12), [3, 4]);
  await writeNpy(path.join(dir, 'labels.npy'), Uint8Array.of(0, 1, 0), [3]);
  assert.equal((await openSource(`npy:${dir}/rows.npy,${dir}/labels.npy`)).labelled, true);
  await assert.rejects(openSource(`cifar10:${dir}`), { message: /data_batch_1\.bin/ });
  await assert.rejects(openSource(`images:${dir}`), { message: /images \(\.png/ });
  await writeEmojiPackages(dir);
  assert.deepEqual((await openSource(`emoji:${dir}`)).shape, [3, 32, 32]);
});

test('a source of no known form is refused with the forms there are', async () => {
  for (const source of ['', 'cifar10', 'npy:', 'mnist:here', 'imagenet:/data', 'fashion-mnist:', 'emoji:']) {
    await assert.rejects(openSource(source), {
      code: 'ARGUMENT_INVALID',
      message: `Expected mnist, fashion-mnist[:DIR], emoji[:DIR], idx:IMAGES[,LABELS], cifar10:DIR, images:DIR or npy:FILE[,LABELS] for source but received "${source}"`,
    });
  }
});

test('size and channels are only for images and emoji', async () => {
  await assert.rejects(openSource('mnist', { size: 32 }), { code: 'ARGUMENT_INVALID', data: { field: 'size' } });
  await assert.rejects(openSource('mnist', { channels: 'grey' }), { code: 'ARGUMENT_INVALID', data: { field: 'channels' } });
  await assert.rejects(openSource('emoji:/nowhere', { size: 0 }), { code: 'ARGUMENT_INVALID', data: { field: 'size' } });
  await assert.rejects(openSource('images:/nowhere', { size: 0 }), { code: 'ARGUMENT_INVALID', data: { field: 'size' } });
});
