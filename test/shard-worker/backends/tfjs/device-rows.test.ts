import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeviceRows } from '../../../../shard-worker/backends/tfjs/device-rows.js';
import { byteRows, wholeRows } from '../../../../shard-worker/backends/tfjs/row-words.js';
import type { TensorDevice, TensorOps } from '../../../../shard-worker/backends/tfjs/tensor-ops.js';
import { seeded } from '../generated-partition.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

test('planes on the device are the bytes that went in, of ranges and of chosen rows, and nothing stays behind', { skip }, async () => {
  const device = await deviceUnderTest();
  const { ops } = device;
  const random = seeded(3);
  const before = ops.memory().numTensors;
  for (const D of [1, 2, 3, 7, 12]) {
    const n = 9;
    const bytes = new Uint8Array(n * D).map(() => Math.floor(random() * 256));
    const floats = new Float32Array(n * D).map(() => 4 * random() - 2);
    for (const [values, rows] of [
      [Float64Array.from(bytes, (u) => u - 128), new DeviceRows(device, byteRows(bytes, n, D))],
      [floats, new DeviceRows(device, wholeRows(floats, n, D, { divisor: 1, offset: 0, middle: 0, whole: false }))],
    ] as const) {
      const chosen = Uint32Array.of(8, 0, 3);
      const unit = values === floats ? rows.divisor : 1;
      for (const [list, make] of [
        [[2, 3, 4], () => rows.range(2, 3)],
        [[...chosen], () => rows.chosen(chosen)],
      ] as const) {
        const sums = new Float64Array(3 * D);
        const planes = ops.tidy(() => rows.planes(make()).map(({ tensor, scale }) => ({ scale, values: tensor.dataSync() })));
        for (const plane of planes) {
          assert.ok(plane.values.every((v) => Number.isInteger(v) && v >= -128 && v <= 127));
          for (let i = 0; i < 3; i++)
            for (let p = 0; p < rows.planeWidth; p++)
              if (p < D) sums[i * D + p] = sums[i * D + p]! + plane.scale * plane.values[i * rows.planeWidth + p]!;
              else assert.equal(plane.values[i * rows.planeWidth + p], 0, 'a value that is none');
        }
        const whole = ops.tidy(() => rows.values(make()).dataSync());
        list.forEach((row, i) => {
          for (let p = 0; p < D; p++) {
            assert.ok(Math.abs(sums[i * D + p]! / unit - values[row * D + p]!) <= 2 ** -44);
            assert.equal(whole[i * D + p]! / unit, values[row * D + p]);
          }
        });
      }
      rows.dispose();
    }
  }
  assert.equal(ops.memory().numTensors, before);
});

test('more words than a tensor has indices are refused before any memory is asked for', () => {
  const ops = { tensor: () => assert.fail('nothing is made') } as unknown as TensorOps;
  const device: TensorDevice = { ops, facts: { flavour: 'cpu', version: '', device: 'cpu' }, tileValues: 1 };
  const words = { ...byteRows(new Uint8Array(3), 1, 3), words: { length: 2 ** 31, byteLength: 2 ** 33 } as unknown as Float32Array };
  assert.throws(() => new DeviceRows(device, words), { code: 'LIMIT_EXCEEDED' });
});
