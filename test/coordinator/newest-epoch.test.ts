import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newestEpochOf } from '../../coordinator/newest-epoch.js';

test('the newest epoch of a worker is that of the data set asked for, 0 where it holds none of it', () => {
  const of = (dataSet: string, partition: number, epoch: number) => ({ dataSet, partition, sha256: '', epoch });
  const held = [of('a', 0, 3), of('a', 1, 5), of('b', 0, 9)];
  assert.deepEqual([newestEpochOf({ held }, 'a'), newestEpochOf({ held }, 'b'), newestEpochOf({ held }, 'c')], [5, 9, 0]);
});
