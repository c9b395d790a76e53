import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinct } from '../../../coordinator/denoisers/denoiser.js';

test('the different ones in the order of their first, and which of them each is', () => {
  assert.deepEqual(
    distinct([3, 1, 3, 2, 1], (v) => v),
    { kinds: [3, 1, 2], of: Uint32Array.of(0, 1, 0, 2, 1) },
  );
  assert.deepEqual(
    distinct([], (v: number) => v),
    { kinds: [], of: new Uint32Array(0) },
  );
});
