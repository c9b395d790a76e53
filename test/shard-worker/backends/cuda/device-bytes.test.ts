import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedDeviceBytes } from '../../../../shard-worker/backends/cuda/device-bytes.js';
import { sizeOf } from '../../../../shard-worker/backends/resident-partitions.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { cudaBackend, skip } from './emulated-device.js';

test('the bytes that are budgeted are those that rows and their usual proxies take', { skip }, async () => {
  for (const dtype of ['u8', 'f32'] as const)
    for (const shape of [
      [1, 28, 28],
      [3, 32, 32],
      [1, 10, 10],
    ] as const) {
      const partition = generatePartition({ rows: 50, shape, dtype, seed: 1 });
      const backend = cudaBackend();
      try {
        await backend.load(partition);
        const expected = expectedDeviceBytes(sizeOf(partition));
        assert.equal(backend.residentBytes, expected, 'budgeted from the start');
        const step = backend.openStep(generateQueries(partition, { batch: 1, seed: 1, alpha: 1, sigma: 1, proxyResolution: 0 }));
        await step.screen(0, 'proxy', {}, { kind: 'fraction', fraction: Float64Array.of(0.5) });
        step.close();
        assert.equal(backend.residentBytes, expected, 'and with proxies made');
      } finally {
        await backend.close();
      }
    }
});

test('rows are padded to 64 bytes, with two norms, a label and an id each', () => {
  const partition = generatePartition({ rows: 10, shape: [1, 10, 10], dtype: 'u8', seed: 1 });
  assert.equal(expectedDeviceBytes(sizeOf(partition)), 10 * (128 + 16 + 8));
});
