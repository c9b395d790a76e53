import assert from 'node:assert/strict';
import { test } from 'node:test';

import { imageErrors, meanOf } from '../../../client/studies/image-errors.js';

test('mse, worst and r2 of an image are those of the formulas, on [0, 1] images', () => {
  // Reference 0, .25, .75, 1 has the variance (.25 + .0625 + .0625 + .25) / 3; differences are 0, .25, .25, 0.
  const reference = Float64Array.from([-1, -0.5, 0.5, 1]);
  const image = Float64Array.from([-1, 0, 0, 1]);
  const { mse, worst, r2 } = imageErrors(image, reference, 1);
  assert.deepEqual([mse[0], worst[0]], [0.125 / 4, 0.25]);
  assert.ok(Math.abs(r2[0]! - (1 - 0.125 / ((0.625 / 3) * 4))) < 1e-15);
});

test('each image has its own errors; an equal one has none', () => {
  const reference = Float32Array.from([-1, 1, 0, 0.5, -0.5, 0.25]);
  const images = reference.slice();
  images[5] = 0.75;
  const { mse, worst, r2 } = imageErrors(images, reference, 2);
  assert.deepEqual([mse[0], worst[0], r2[0]], [0, 0, 1]);
  assert.deepEqual([worst[1], r2[1]! < 1], [0.25, true]);
});

test('values outside the range are clipped, as pictures are', () => {
  assert.deepEqual(imageErrors(Float64Array.from([3, -7]), Float64Array.from([1, -1]), 1).mse, [0]);
});

test('an image without variance counts as variance 1', () => {
  const { r2 } = imageErrors(Float64Array.from([0, 0]), Float64Array.from([1, 1]), 1);
  assert.deepEqual(r2, [1 - 0.5 / 2]);
});

test('arrays of different lengths are a bug', () => {
  assert.throws(() => imageErrors(new Float64Array(4), new Float64Array(2), 1), /Invariant broken/);
  assert.equal(meanOf([1, 2, 6]), 3);
});
