import assert from 'node:assert/strict';
import { test } from 'node:test';

import { noisedImages } from '../../client/noised-images.js';

const LEVEL = { t: 300, alpha: 0.6, sigma: 0.8 };

test('noise is a function of the seed, the image and the timestep alone', () => {
  const images = Float64Array.from({ length: 6 }, (_, i) => i / 10);
  const both = noisedImages(images, 2, LEVEL, 7);
  assert.deepEqual(noisedImages(images, 2, LEVEL, 7), both);
  assert.deepEqual(noisedImages(images.subarray(0, 3), 1, LEVEL, 7), both.subarray(0, 3), 'the same alone as in a batch');
  assert.notDeepEqual(noisedImages(images, 2, LEVEL, 8), both);
  assert.notDeepEqual(noisedImages(images, 2, { ...LEVEL, t: 301 }, 7), both);
});

test('an image is scaled by alpha and the noise by sigma', () => {
  const zeros = noisedImages(new Float64Array(4), 1, LEVEL, 1);
  const ones = noisedImages(new Float64Array(4).fill(1), 1, LEVEL, 1);
  const twice = noisedImages(new Float64Array(4), 1, { ...LEVEL, sigma: 1.6 }, 1);
  ones.forEach((value, p) => assert.ok(Math.abs(value - zeros[p]! - 0.6) < 1e-15));
  twice.forEach((value, p) => assert.ok(Math.abs(value - 2 * zeros[p]!) < 1e-15));
});
