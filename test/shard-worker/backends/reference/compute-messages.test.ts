import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionKey } from '../../../../shard-worker/backends/reference/compute-messages.js';

test('no two partitions of any data sets share a key', () => {
  const keys = ['a', '1/a', '', '/'].flatMap((name) => [0, 1, 11].map((id) => partitionKey(name, id)));
  assert.equal(new Set(keys).size, keys.length);
});
