import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRow1, addRow4, squaredDistances4, tileFillOf, tileRows } from '../../../../shard-worker/backends/reference/row-kernels.js';
import { seeded } from '../generated-partition.js';

test('four distances at once have the bits of a plain loop over each row', () => {
  const random = seeded(1);
  for (const D of [0, 1, 3, 49, 784]) {
    const tile = Float64Array.from({ length: 5 * D }, () => random() * 2 - 1);
    const q = Float64Array.from({ length: 2 * D }, () => random() * 2 - 1);
    const out = new Float64Array(4);
    squaredDistances4(tile, 4 * D, 0, D, 3 * D, q, D, D, out);
    [4, 0, 1, 3].forEach((row, k) => {
      let sum = 0;
      for (let p = 0; p < D; p++) {
        const d = q[D + p]! - tile[row * D + p]!;
        sum += d * d;
      }
      assert.equal(out[k], sum);
    });
  }
});

test('four rows added at once have the bits of four rows added one by one', () => {
  const random = seeded(2);
  const D = 49;
  const tile = Float64Array.from({ length: 4 * D }, () => random() * 2 - 1);
  const one = Float64Array.from({ length: 2 * D }, () => random());
  const four = one.slice();
  const w = [0.3, 1e-9, 7, 0.1];
  w.forEach((weight, r) => addRow1(tile, r * D, weight, one, D, D));
  addRow4(tile, 0, D, 2 * D, 3 * D, w[0]!, w[1]!, w[2]!, w[3]!, four, D, D);
  assert.deepStrictEqual(four, one);
});

test('every kind of row is scaled into the tile at its place', () => {
  for (const values of [new Uint8Array(9), new Uint16Array(9), new Uint32Array(9), new Float32Array(9), new Float64Array(9)]) {
    for (let i = 0; i < 9; i++) values[i] = i * 20;
    const tile = new Float64Array(8).fill(-1);
    tileFillOf(values)(values, 3, 0.1, tile, 2, 4);
    assert.deepEqual([...tile], [-1, -1, 0.1 * 60, 0.1 * 80, 0.1 * 100, 0.1 * 120, -1, -1]);
  }
});

test('a tile holds a multiple of four rows, at least four and at most 256', () => {
  assert.deepEqual([1, 49, 784, 12_288, 3_145_728].map(tileRows), [256, 256, 20, 4, 4]);
});
