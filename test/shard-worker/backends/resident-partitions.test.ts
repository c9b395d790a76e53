import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkDeviceMemory, notHeld, partitionKey } from '../../../shard-worker/backends/resident-partitions.js';

const ref = { dataSet: 'mnist', partition: 3 };

test('no two partitions of any data sets share a key', () => {
  const keys = ['a', '1/a', '', '/'].flatMap((dataSet) => [0, 1, 11].map((partition) => partitionKey({ dataSet, partition })));
  assert.equal(new Set(keys).size, keys.length);
});

test('a partition that just fits is let in, and one byte more is refused with both numbers', () => {
  checkDeviceMemory(ref, 100, 100);
  assert.throws(() => checkDeviceMemory(ref, 101, 100), {
    code: 'LIMIT_EXCEEDED',
    message: 'Partition 3 of mnist needs 101 bytes of device memory but 100 are free',
  });
  assert.throws(() => checkDeviceMemory(ref, 1, -5), /but 0 are free/);
});

test('a partition that is not held is named', () => {
  assert.deepEqual([notHeld(ref).code, notHeld(ref).data.partitions], ['PARTITION_MISSING', [3]]);
});
