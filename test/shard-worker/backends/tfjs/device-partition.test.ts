import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyGeometry } from '../../../../shared/math/proxy.js';
import { deviceBytesOf, DevicePartition } from '../../../../shard-worker/backends/tfjs/device-partition.js';
import type { TensorDevice, TensorOps } from '../../../../shard-worker/backends/tfjs/tensor-ops.js';
import { generatePartition } from '../generated-partition.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

const queries = { x: new Float64Array(49), alpha: Float64Array.of(1) };

test('a partition takes the bytes that were counted for it, proxies are built once, and all goes at the end', { skip }, async () => {
  const device = await deviceUnderTest();
  for (const dtype of ['u8', 'f32'] as const) {
    const rows = generatePartition({ rows: 50, shape: [1, 28, 28], dtype, seed: 1 });
    const partition = new DevicePartition(device, rows);
    const geometry = proxyGeometry(rows.shape, 0);
    const proxy = { x: new Float64Array(geometry.values), alpha: queries.alpha };
    partition.proxyDistances(geometry, proxy, [0], [undefined], () => {});
    const tensors = device.ops.memory().numTensors;
    partition.proxyDistances(geometry, proxy, [0], [undefined], () => {});
    assert.equal(tensors, 2);
    assert.equal(device.ops.memory().numTensors, 2);
    const counted = deviceBytesOf(rows, 'gpu');
    assert.equal(partition.proxyBytes, counted.proxies);
    const onHost = 50 * 8 * 2 + 50 * 8;
    assert.equal(device.ops.memory().numBytes, counted.rows + counted.proxies - onHost, 'but for |V|^2, labels and ids');
    const beside = deviceBytesOf(rows, 'cpu');
    assert.deepEqual(beside, { ...counted, rows: counted.rows + rows.values.byteLength }, 'where they lie beside the rows, those count too');
    partition.dispose();
    assert.equal(device.ops.memory().numTensors, 0);
  }
});

test('a device that refuses the rows makes a clear error, with the bytes', () => {
  const refuse = (): never => {
    throw new Error('OOM when allocating tensor');
  };
  const ops = { tensor: refuse, memory: () => ({ numTensors: 3, numBytes: 4711 }) } as unknown as TensorOps;
  const device: TensorDevice = { ops, facts: { flavour: 'node-gpu', version: '', device: 'gpu' }, tileValues: 1 };
  const rows = generatePartition({ partition: 7, rows: 5, shape: [1, 3, 3], dtype: 'u8', seed: 1 });
  assert.throws(() => new DevicePartition(device, rows), {
    code: 'LIMIT_EXCEEDED',
    message: /^Partition 7 of generated needs 60 bytes of device memory, which TensorFlow.js does not give beside the 4711 it holds$/,
  });
});
