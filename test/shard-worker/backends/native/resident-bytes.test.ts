import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectedExtraBytes } from '../../../../shard-worker/backends/native/resident-bytes.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

const SHAPES = [
  [1, 7, 7],
  [1, 28, 28],
  [3, 64, 64],
  [3, 320, 320],
] as const;

test('flat rows have norms, a mean and a copied end, pictures also three bytes for each value of a proxy and 128 for regions', () => {
  assert.equal(expectedExtraBytes(true, 1000, [784, 1, 1]), 1000 * 16 + 784 * 8 + 784 + 64);
  assert.equal(
    expectedExtraBytes(true, 1000, [1, 28, 28]),
    1000 * 16 + 784 * 8 + 784 + 64 + 2 * (1000 * 16 + 196 * 8) + 1000 * (8 + 128) + 128 + 196 + 3 * (1000 * 196 + 64),
  );
  assert.equal(expectedExtraBytes(false, 1000, [1, 28, 28]), 1000 * 196 * 4);
  assert.equal(expectedExtraBytes(true, 0, [1, 7, 7]), 49 * 8 + 64);
});

for (const [dtype, eightBit] of [
  ['u8', true],
  ['f32', false],
] as const)
  test(`the engine takes what is reserved for ${dtype} rows before it loads them, proxies included, and no more`, { skip }, async (t) => {
    const backend = nativeBackend(isas[0]!);
    try {
      for (const [id, shape] of SHAPES.entries()) {
        const rows = shape[1] > 100 ? 3 : 150;
        const partition = generatePartition({ partition: id, rows, shape, dtype, seed: 1 });
        const before = backend.residentBytes;
        await backend.load(partition);
        const step = backend.openStep(generateQueries(partition, { batch: 1, seed: 1, alpha: 1, sigma: 1 }));
        await step.screen(id, 'proxy', {}, { kind: 'fraction', fraction: Float64Array.of(1) });
        step.close();
        const given = partition.values.byteLength + partition.labels.byteLength + partition.rowIds.byteLength;
        assert.equal(backend.residentBytes - before - given, expectedExtraBytes(eightBit, rows, shape), `${dtype} ${shape.join(' x ')}`);
      }
      const held = backend.residentBytes;
      t.diagnostic(`${held} bytes for ${SHAPES.length} partitions`);
    } finally {
      await backend.close();
    }
  });
