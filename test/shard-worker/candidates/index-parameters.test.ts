import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexBytes, searchWidth } from '../../../shard-worker/candidates/index-parameters.js';

test('a search looks at more rows than it wants, and never at more than there are', () => {
  assert.deepEqual(
    [searchWidth(0, 1000), searchWidth(1, 1000), searchWidth(400, 1000), searchWidth(900, 1000), searchWidth(5, 3), searchWidth(0, 0)],
    [256, 256, 600, 1000, 3, 1],
  );
});

test('the memory of an index is more than its values', () => {
  assert.ok(indexBytes(1000, 196) > 1000 * 196 * 4);
  assert.equal(indexBytes(0, 196), 0);
});
