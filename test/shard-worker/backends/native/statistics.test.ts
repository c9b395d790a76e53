/** Mean, covariance and the SPD solve of the native engine against plain loops. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generatePartition, seeded } from '../generated-partition.js';
import { isas, nativeAddon, skip } from './addon-under-test.js';
import type { Isa, NativeEngine, NativePartition } from '../../../../shared/native/native-addon.js';

async function withEngine(isa: Isa, threads: number, use: (engine: NativeEngine) => Promise<void>): Promise<void> {
  const engine = nativeAddon().createEngine({ threads, isa, stepStateBytesMax: Infinity });
  try {
    await use(engine);
  } finally {
    nativeAddon().closeEngine(engine);
  }
}

const largest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i]!)), a.length === b.length ? 0 : Infinity);

for (const isa of isas) {
  test(`${isa}: mean and covariance over partitions of either kind agree with two passes in double, with the same bits for any number of threads`, async (t) => {
    for (const dtype of ['u8', 'f32'] as const)
      for (const shape of [
        [1, 1, 1],
        [1, 3, 5],
        [1, 8, 8],
        [1, 13, 5],
        [1, 17, 19],
      ] as const) {
        const D = shape[0] * shape[1] * shape[2];
        const partitions = [50, 0, 131].map((rows, partition) => generatePartition({ partition, rows, shape, dtype, seed: partition + D }));
        const rows = partitions.flatMap(({ values, rows: n }) =>
          Array.from({ length: n }, (_, i) =>
            Float64Array.from(values.subarray(i * D, (i + 1) * D), (v) => (values instanceof Uint8Array ? v / 127.5 - 1 : v)),
          ),
        );
        const mean = new Float64Array(D).map((_, p) => rows.reduce((sum, row) => sum + row[p]!, 0) / rows.length);
        const covariance = new Float64Array(D * D);
        for (const row of rows)
          for (let p = 0; p < D; p++)
            for (let q = 0; q < D; q++) covariance[p * D + q]! += ((row[p]! - mean[p]!) * (row[q]! - mean[q]!)) / (rows.length - 1);
        const found: { mean: Float64Array; covariance: Float64Array }[] = [];
        for (const threads of [1, 2, 3])
          await withEngine(isa, threads, async (engine) => {
            const held: NativePartition[] = [];
            for (const { rows: n, values, labels, rowIds } of partitions)
              held.push(
                await nativeAddon().loadPartition(engine, { rows: n, channels: shape[0], height: shape[1], width: shape[2], values, labels, rowIds }),
              );
            found.push(await nativeAddon().covariance(engine, held));
          });
        assert.deepEqual(found[1], found[0]);
        assert.deepEqual(found[2], found[0]);
        const errors = [largest(found[0]!.mean, mean), largest(found[0]!.covariance, covariance)] as const;
        t.diagnostic(`${dtype} D=${D}: mean off by ${errors[0].toExponential(1)}, covariance by ${errors[1].toExponential(1)}`);
        // Values within 1; sums of 181 of them in double.
        assert.ok(errors[0] <= 1e-13 && errors[1] <= 1e-12, `${errors.join(' ')}`);
        for (let p = 0; p < D; p++)
          for (let q = 0; q < p; q++) assert.equal(found[0]!.covariance[p * D + q], found[0]!.covariance[q * D + p], 'symmetric');
      }
  });

  test(`${isa}: the SPD solve leaves a residual of rounding, with the same bits for any number of threads`, async (t) => {
    const random = seeded(4);
    for (const [n, columns] of [
      [1, 1],
      [7, 3],
      [64, 64],
      [65, 2],
      [130, 1],
      [257, 257],
    ] as const) {
      // A = I / 2 + R R^T / n, its condition below some hundreds.
      const r = Float64Array.from({ length: n * n }, () => random() - 0.5);
      const matrix = new Float64Array(n * n);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++) {
          let sum = i === j ? 0.5 : 0;
          for (let k = 0; k < n; k++) sum += (r[i * n + k]! * r[j * n + k]!) / n;
          matrix[i * n + j] = sum;
        }
      const rhs = Float64Array.from({ length: n * columns }, () => random() - 0.5);
      const found: Float64Array[] = [];
      for (const threads of [1, 2, 3])
        await withEngine(isa, threads, (engine) => {
          const solution = rhs.slice();
          nativeAddon().spdSolve(engine, { n, matrix: matrix.slice(), rhs: solution, columns });
          found.push(solution);
          return Promise.resolve();
        });
      assert.deepEqual(found[1], found[0]);
      assert.deepEqual(found[2], found[0]);
      let residual = 0;
      for (let i = 0; i < n; i++)
        for (let c = 0; c < columns; c++) {
          let sum = -rhs[i * columns + c]!;
          for (let k = 0; k < n; k++) sum += matrix[i * n + k]! * found[0]![k * columns + c]!;
          residual = Math.max(residual, Math.abs(sum));
        }
      t.diagnostic(`n=${n}, ${columns} columns: residual ${residual.toExponential(1)}`);
      assert.ok(residual <= n * 1e-14, `${residual}`);
    }
  });

  test(`${isa}: a matrix that is not positive definite is refused`, async () => {
    await withEngine(isa, 2, (engine) => {
      for (const matrix of [Float64Array.of(1, 2, 2, 1), Float64Array.of(0, 0, 0, 1), Float64Array.of(NaN, 0, 0, 1)])
        assert.throws(() => nativeAddon().spdSolve(engine, { n: 2, matrix, rhs: Float64Array.of(1, 1), columns: 1 }), { code: 'ARGUMENT_INVALID' });
      return Promise.resolve();
    });
  });
}

test('statistics run on every instruction set of this machine', { skip }, () => {
  assert.ok(isas.length > 0);
});
