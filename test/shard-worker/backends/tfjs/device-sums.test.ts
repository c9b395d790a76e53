import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceRows } from '../../../../shard-worker/backends/tfjs/device-rows.js';
import { deviceSums } from '../../../../shard-worker/backends/tfjs/device-sums.js';
import { byteRows } from '../../../../shard-worker/backends/tfjs/row-words.js';
import { generatePartition, seeded } from '../generated-partition.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

test('sums over more rows than one product takes are those of plain loops, and the same bits whoever is summed beside', { skip }, async (t) => {
  const device = await deviceUnderTest();
  const n = 2500;
  const D = 10;
  const partition = generatePartition({ rows: n, shape: [1, 2, 5], dtype: 'u8', seed: 2 });
  const rows = new DeviceRows(device, byteRows(partition.values as Uint8Array, n, D));
  const random = seeded(5);
  const all = Uint32Array.from({ length: n }, (_, i) => i);
  const few = Uint32Array.of(3, 1023, 1024, 2499);
  const gathered = [
    { rows: all, weights: Float64Array.from(all, () => random()) },
    { rows: few, weights: Float64Array.of(1, 1e-9, 0.3, 2 ** -60) },
    { rows: new Uint32Array(0), weights: new Float64Array(0) },
  ];
  const sums = new Float32Array(3 * D);
  deviceSums(rows, gathered, sums, () => {});
  let worst = 0;
  gathered.forEach(({ rows: list, weights }, k) => {
    const alone = new Float32Array(D);
    deviceSums(rows, [gathered[k]!], alone, () => {});
    assert.deepEqual(alone, sums.slice(k * D, (k + 1) * D));
    for (let p = 0; p < D; p++) {
      const want = list.reduce((sum, row, i) => sum + weights[i]! * (partition.values[row * D + p]! / 127.5 - 1), 0);
      const allowed = 2 ** -24 * Math.abs(want) + list.length * 2 ** -39;
      worst = Math.max(worst, Math.abs(sums[k * D + p]! - want) / (allowed || 1));
    }
  });
  t.diagnostic(`largest error ${(worst * 100).toFixed(1)}% of the bound`);
  assert.ok(worst <= 1);
  assert.throws(() => deviceSums(rows, gathered, sums, () => assert.fail('left')), /left/);
  rows.dispose();
  assert.equal(device.ops.memory().numTensors, 0);
});
