import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';

import { readStudyImages } from '../../../client/studies/study-images.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { importMnist, plainMnist, temporaryFolder } from '../../support/data-sets.js';

const MNIST = { shape: [1, 28, 28], seed: 5 } as const;

test('rows of the data set are chosen by the seed, each once, of one class if asked for', async () => {
  const dataDir = await importMnist(0, 60, 4);
  const plain = plainMnist(0, 60);
  const idOf = (values: Float64Array, i: number): number =>
    Array.from({ length: 60 }, (_, id) => id).find((id) =>
      values.subarray(i * 784, (i + 1) * 784).every((value, p) => value === plain.pixels[id * 784 + p]! / 127.5 - 1),
    ) ?? -1;
  const { values, count, origin, heldOut } = await readStudyImages({ dataDir, count: 20, ...MNIST });
  const ids = Array.from({ length: count }, (_, i) => idOf(values, i));
  assert.deepEqual([count, heldOut, origin], [20, false, 'rows of mnist itself']);
  assert.equal(new Set(ids).size, 20);
  assert.ok(!ids.includes(-1));
  assert.deepEqual((await readStudyImages({ dataDir, count: 20, ...MNIST })).values, values);
  assert.notDeepEqual((await readStudyImages({ dataDir, count: 20, ...MNIST, seed: 6 })).values, values);
  const threes = await readStudyImages({ dataDir, count: 60, ...MNIST, label: 3 });
  assert.equal(threes.count, Array.from(plain.labels).filter((label) => label === 3).length);
  for (let i = 0; i < threes.count; i++) assert.equal(plain.labels[idOf(threes.values, i)], 3);
  await assert.rejects(readStudyImages({ dataDir, count: 1, ...MNIST, label: 12 }), {
    code: 'ARGUMENT_INVALID',
    message: /a class of mnist that has rows/,
  });
});

test('held-out images come from npy files of any of the forms, and from sources', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'held.npy');
  const shape = [1, 2, 3];
  const read = (input = file, count = 10) => readStudyImages({ input, count, seed: 0, shape });
  await writeNpy(file, Uint8Array.from([0, 255, 51, 102, 153, 204, 1, 2, 3, 4, 5, 6]), [2, 1, 2, 3]);
  const bytes = await read();
  assert.deepEqual([bytes.count, bytes.heldOut, bytes.origin], [2, true, 'held-out images (held.npy)']);
  assert.deepEqual(
    [...bytes.values.subarray(0, 3)].map((v) => v.toFixed(3)),
    ['-1.000', '1.000', '-0.600'],
  );
  assert.deepEqual((await read(`npy:${file}`)).values, bytes.values, 'as a source of dataset import too');
  assert.equal((await read(file, 1)).values.length, 6);
  for (const flat of [
    [2, 6],
    [2, 2, 3],
  ]) {
    await writeNpy(
      file,
      Float64Array.from({ length: 12 }, (_, i) => i / 12),
      flat,
    );
    assert.equal((await read()).values[11], 11 / 12);
  }
});

test('images of another shape, outside the range, or none are refused', async () => {
  const dir = temporaryFolder();
  const file = path.join(dir, 'held.npy');
  const read = () => readStudyImages({ input: file, count: 4, seed: 0, shape: [1, 2, 2] });
  await writeNpy(file, new Float32Array(10), [2, 5]);
  await assert.rejects(read(), {
    code: 'ARGUMENT_INVALID',
    message: /images of shape \[1, 2, 2\], as the data set has, for --input but received .*of \[5\]/,
  });
  await writeNpy(file, Float32Array.of(0, 0, 0, 1.5), [1, 4]);
  await assert.rejects(read(), { code: 'FILE_INVALID', message: /values in \[-1, 1\] .* but received 1.5 at place 3/ });
  await writeNpy(file, Float32Array.of(0, NaN, 0, 0), [1, 4]);
  await assert.rejects(read(), { code: 'FILE_INVALID' });
  await writeNpy(file, new Float32Array(0), [0, 4]);
  await assert.rejects(read(), { code: 'ARGUMENT_INVALID', message: /at least one image/ });
  await assert.rejects(readStudyImages({ count: 1, seed: 0, shape: [1, 2, 2] }), {
    code: 'ARGUMENT_INVALID',
    message: /for --input but received "none with --endpoint"/,
  });
});
