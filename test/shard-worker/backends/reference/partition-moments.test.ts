import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partitionMoments } from '../../../../shard-worker/backends/reference/partition-moments.js';
import { packedLength, type MomentSums } from '../../../../shared/math/moment-sums.js';
import { generatePartition } from '../generated-partition.js';

function finished(work: Generator<void, MomentSums>): MomentSums {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

for (const dtype of ['u8', 'f32'] as const)
  for (const rows of [0, 1, 127, 128, 300])
    test(`sums over ${rows} rows of ${dtype} are those of plain loops, with and without a label`, () => {
      const partition = generatePartition({ rows, shape: [1, 5, 7], dtype, seed: rows + 1, classes: 3 });
      const { values, labels } = partition;
      const D = 35;
      // The generator's bytes are half zeros, so that both ways are taken: rows of label 1 have none.
      if (dtype === 'u8')
        for (let i = 0; i < rows; i++) if (labels[i] === 1) for (let p = 0; p < D; p++) values[i * D + p] = 1 + ((i * 31 + p * 7) % 255);
      for (const label of [-1, 0, 1, 9]) {
        const got = finished(partitionMoments({ rows, rowValues: D, values, labels }, label));
        const chosen = Array.from({ length: rows }, (_, i) => i).filter((i) => label === -1 || labels[i] === label);
        assert.equal(got.rows, chosen.length);
        for (let p = 0; p < D; p++) {
          const sum = chosen.reduce((total, i) => total + values[i * D + p]!, 0);
          assert.ok(Math.abs(got.sum[p]! - sum) <= (dtype === 'u8' ? 0 : 1e-12), `sum ${p} of label ${label}`);
          for (let q = 0; q <= p; q++) {
            const product = chosen.reduce((total, i) => total + values[i * D + p]! * values[i * D + q]!, 0);
            assert.ok(Math.abs(got.products[packedLength(p) + q]! - product) <= (dtype === 'u8' ? 0 : 1e-12), `product ${p} ${q} of label ${label}`);
          }
        }
      }
    });

test('long work yields within a block of rows', () => {
  const partition = generatePartition({ rows: 128, shape: [1, 20, 30], dtype: 'f32', seed: 2 });
  const work = partitionMoments({ rows: 128, rowValues: 600, values: partition.values, labels: partition.labels }, -1);
  let yields = 0;
  while (work.next().done !== true) yields++;
  assert.ok(yields > 3, `${yields} yields`);
});
