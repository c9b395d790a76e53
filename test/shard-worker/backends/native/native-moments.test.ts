import assert from 'node:assert/strict';
import { test } from 'node:test';
import { momentsOfBytes } from '../../../../shard-worker/backends/native/native-moments.js';
import { ReferenceBackend } from '../../../../shard-worker/backends/reference/reference-backend.js';
import { packedLength } from '../../../../shared/math/moment-sums.js';
import { generatePartition } from '../generated-partition.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

test('the sums come back from a mean and a covariance that are off in their last places', () => {
  const rows = 1_000_003;
  const sum = [255 * rows, 1, 77_777_777];
  const products = [255 * 255 * rows, 255, 1, 255 * 77_777_777, 200, 77_777_777 * 201];
  const off = (value: number): number => value * (1 + 4 * 2 ** -53);
  const mean = Float64Array.from(sum, (s) => off(s / rows / 127.5 - 1));
  const covariance = Float64Array.from({ length: 9 }, (_, i) => {
    const [p, q] = [Math.max(Math.floor(i / 3), i % 3), Math.min(Math.floor(i / 3), i % 3)];
    return off((products[packedLength(p) + q]! - (sum[p]! * sum[q]!) / rows) / (rows - 1) / 127.5 ** 2);
  });
  const moments = momentsOfBytes(rows, mean, covariance);
  assert.deepEqual([...moments.sum], sum);
  assert.deepEqual([...moments.products], products);
});

for (const isa of isas)
  test(
    `the engine on ${isa} gives the bits of the reference for byte rows, of all labels and of one, and sums in double for others`,
    { skip },
    async () => {
      const bytes = generatePartition({ rows: 1000, shape: [1, 9, 13], dtype: 'u8', seed: 3, classes: 2 });
      const floats = generatePartition({ rows: 10, shape: [1, 9, 13], dtype: 'f32', seed: 3, partition: 1 });
      const reference = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
      const native = nativeBackend(isa, { computeThreads: 2, deviceMemoryBytes: Infinity });
      try {
        for (const partition of [bytes, floats]) {
          await reference.load(partition);
          await native.load(partition);
        }
        assert.deepEqual(await native.moments(bytes, -1), await reference.moments(bytes, -1));
        assert.deepEqual(await native.moments(bytes, 1), await reference.moments(bytes, 1));
        const [got, want] = [await native.moments(floats, -1), await reference.moments(floats, -1)];
        assert.deepEqual([got.rows, got.sum.length, got.products.length], [want.rows, want.sum.length, want.products.length]);
        // Ten products of values below 1, added in another order or fused.
        want.sum.forEach((sum, p) => assert.ok(Math.abs(got.sum[p]! - sum) < 1e-14));
        want.products.forEach((sum, p) => assert.ok(Math.abs(got.products[p]! - sum) < 1e-14));
      } finally {
        await reference.close();
        await native.close();
      }
    },
  );
