import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolRow, proxyGeometry } from '../../../shared/math/proxy.js';

test('the proxy has the largest size up to 16 pixels that divides the image', () => {
  const sizes: [[number, number, number], number, number][] = [
    [[1, 28, 28], 14, 196],
    [[3, 32, 32], 16, 768],
    [[3, 64, 64], 16, 768],
    [[3, 48, 32], 12, 288],
    [[1, 16, 16], 16, 256],
    [[1, 1, 100], 1, 100],
    [[1, 17, 17], 1, 1],
  ];
  for (const [shape, resolution, values] of sizes) {
    const g = proxyGeometry(shape, 0);
    assert.deepEqual([g.resolution, g.values], [resolution, values], shape.join('x'));
  }
});

test('a resolution that does not divide the image is refused with those that do', () => {
  assert.equal(proxyGeometry([1, 28, 28], 7).factor, 4);
  assert.throws(
    () => proxyGeometry([1, 28, 28], 16),
    /Expected 0 or one of 1, 2, 4, 7, 14, 28 for images of 28 x 28 for retrieval\.proxy_resolution but received 16/,
  );
});

test('pooling averages squares within each channel', () => {
  const shape = [2, 2, 4] as const;
  const row = [1, 2, 3, 4, 5, 6, 7, 8, 10, 20, 30, 40, 50, 60, 70, 80];
  const out = new Float64Array(4);
  poolRow([99, ...row], 1, shape, proxyGeometry(shape, 1), out);
  assert.deepEqual([...out], [3.5, 5.5, 35, 55]);
});
