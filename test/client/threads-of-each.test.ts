import assert from 'node:assert/strict';
import { test } from 'node:test';

import { threadsOfEach } from '../../client/threads-of-each.js';

test('the cores are divided among the workers', () => {
  assert.deepEqual(
    [1, 2, 4, 5].map((shards) => threadsOfEach(shards, 16)),
    [16, 8, 4, 3],
  );
});

test('a worker has two threads where the machine has two cores, however many workers there are', () => {
  assert.deepEqual(
    [4, 8, 64].map((shards) => threadsOfEach(shards, 4)),
    [2, 2, 2],
  );
  assert.equal(threadsOfEach(4, 2), 2);
  assert.equal(threadsOfEach(4, 1), 1);
});
