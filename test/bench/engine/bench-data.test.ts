import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { readNpy, readNpyHeader } from '../../../shared/dataset/npy.js';
import { BATCH_MAX, digits, generatedPictures, moved, queriesAt, sharedRows, shiftedDigits, shiftOf } from './bench-data.js';

let folder = '';
before(async () => (folder = await mkdtemp(path.join(tmpdir(), 'golddiff-bench-data-'))));
after(() => rm(folder, { recursive: true, force: true }));

test('a picture moves by whole pixels and 0 comes in', () => {
  const out = new Uint8Array(9);
  moved(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]), 1, 0, out);
  assert.deepEqual([...out], [0, 1, 2, 0, 4, 5, 0, 7, 8]);
  moved(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8, 9]), 0, -1, out);
  assert.deepEqual([...out], [4, 5, 6, 7, 8, 9, 0, 0, 0]);
});

test('ways to move are distinct, and the first stays', () => {
  assert.deepEqual(shiftOf(0), [0, 0]);
  assert.equal(new Set(Array.from({ length: 60 }, (_, way) => shiftOf(way).join())).size, 60);
});

test('shifted digits hold every picture in every way, as many as were asked for', async () => {
  const set = await shiftedDigits(folder, 120_000);
  const { data, shape } = await readNpy(set.file);
  assert.deepEqual(shape, [120_000, 784]);
  const { data: own } = await readNpy((await digits(folder)).file);
  assert.deepEqual(data.subarray(0, 784), own.subarray(0, 784), 'way 0 is the digit itself');
  assert.deepEqual(data.subarray(2 * 784, 3 * 784), own.subarray(784, 2 * 784));
  assert.notDeepEqual(data.subarray(784, 2 * 784), own.subarray(0, 784));
});

test('generated pictures are the same on every run, and spread over the values', async () => {
  const { data } = await readNpy((await generatedPictures(folder, 40)).file);
  await rm(path.join(folder, 'generated-40.npy'));
  const again = await generatedPictures(folder, 40);
  assert.deepEqual((await readNpy(again.file)).data, data);
  assert.equal(data.length, 40 * 3_072);
  assert.ok(new Set(data).size > 200);
  assert.equal(again.heldOut.length, BATCH_MAX * 3_072);
});

test('queries are a y + s noise of pictures that are not rows', async () => {
  const set = await digits(folder, 100);
  const { file, alpha, sigma } = await queriesAt(folder, set, 500);
  const { data, shape } = await readNpy(file);
  assert.deepEqual(shape, [BATCH_MAX, 784]);
  const noise = Array.from(data, (x, i) => (x - alpha * set.heldOut[i]!) / sigma);
  const variance = noise.reduce((sum, e) => sum + e * e, 0) / noise.length;
  // 25,088 normals: a standard deviation of the variance is .009
  assert.ok(Math.abs(variance - 1) < 0.05);
});

test('rows of a file lie on shared memory', async () => {
  const set = await digits(folder, 100);
  const { offsetBytes } = await readNpyHeader(set.file, ['u1']);
  const rows = await sharedRows(set.file, offsetBytes + 3 * 784, 2 * 784);
  assert.ok(rows.buffer instanceof SharedArrayBuffer);
  assert.deepEqual(Buffer.from(rows), Buffer.from((await readNpy(set.file)).data.buffer, 3 * 784, 2 * 784));
  await assert.rejects(sharedRows(set.file, offsetBytes, 101 * 784), /shorter than it says/);
});
