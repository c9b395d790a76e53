import assert from 'node:assert/strict';
import { test } from 'node:test';

import { floorMs } from './floors.js';

test('a floor is the longer of reading the bytes and doing the products', () => {
  const speed = { bytesPerMs: 1_000, productsPerMs: 10_000 };
  assert.equal(floorMs({ bytes: 5_000, products: 10_000 }, speed), 5);
  assert.equal(floorMs({ bytes: 5_000, products: 100_000 }, speed), 10);
  assert.equal(floorMs({ bytes: 5_000, products: 100_000 }, { ...speed, productsPerMs: 0 }), 5, 'a peak that is not known bounds nothing');
});
