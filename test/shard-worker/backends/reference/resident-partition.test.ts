import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { proxyGeometry } from '../../../../shared/math/proxy.js';
import { generatePartition } from '../generated-partition.js';

test('proxies are built once per resolution, and a factor of 1 is the rows themselves', () => {
  const partition = new ResidentPartition(generatePartition({ rows: 4, shape: [1, 4, 4], dtype: 'u8', seed: 1 }));
  const half = proxyGeometry(partition.shape, 2);
  const left = (): void => {
    throw new Error('left');
  };
  assert.throws(() => partition.proxies(half, left), /left/);
  assert.equal(partition.proxyBytes, 0);
  const proxies = partition.proxies(half, () => {});
  assert.equal(partition.proxies(half, left), proxies);
  assert.equal(partition.proxies(proxyGeometry(partition.shape, 4), left), partition.full);
  assert.equal(partition.proxyBytes, 4 * 4 * 2);
});
