/** Scalars and weighted sums against the oracle, and what is left out of them. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HISTOGRAM_BINS, SKIPPED_SHARE_QUANTUM } from '../../../shared/limits.js';
import { checkScalars, distanceScale, Largest, withBackend } from './conformance-comparison.js';
import type { ConformanceSubject } from './conformance.js';
import { generatePartition, generateQueries } from './generated-partition.js';
import { Oracle } from './oracle.js';

const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [3, 1, 1],
  [1, 7, 7],
  [1, 28, 28],
];
const ROWS = [0, 1, 7, 8, 9, 101, 700];

export function posteriorConformance(subject: ConformanceSubject): void {
  test('scalars and sums agree with the oracle for every number of rows, row length and kind of row', async (t) => {
    const largest = new Largest();
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      let id = 0;
      for (const dtype of ['u8', 'f32'] as const)
        for (const shape of [...SHAPES, ...(subject.shapes ?? [])])
          for (const rows of [...ROWS, ...(subject.rows ?? [])]) {
            if (rows > 200 && shape[1] >= 28 && dtype === 'f32') continue;
            const D = shape[0] * shape[1] * shape[2];
            const partition = generatePartition({ partition: id++, rows, shape, dtype, seed: rows * 31 + D });
            await backend.load(partition);
            const queries = generateQueries(partition, { batch: 5, seed: rows + D, alpha: [1, 0.9, 0.9, 0.3, 1], sigma: [0.01, 0.3, 1, 5, 80] });
            const where = `${dtype} n=${rows} D=${D}`;
            const oracle = new Oracle(partition, queries);
            const step = backend.openStep(queries);
            const scalars = await step.scalars(partition.partition, {});
            const all = Array.from({ length: rows }, (_, i) => i);
            checkScalars(largest, subject, oracle, queries, partition, () => all, scalars, where);
            const sums = await step.sums(partition.partition, {}, scalars, 2 ** -40, false);
            assert.deepEqual([...sums.queries], rows === 0 ? [] : [0, 1, 2, 3, 4]);
            sums.queries.forEach((b, k) => {
              const want = oracle.sums(b, all);
              const nats = distanceScale(queries, b, D) / (2 * queries.sigma[b]! ** 2);
              for (let p = 0; p < D; p++) {
                const error = Math.abs(sums.sums[k * D + p]! - want[p]!) / scalars.mass[b]!;
                largest.see(
                  'sums',
                  error,
                  subject.tolerances.sums + nats * subject.tolerances.mass + (subject.tolerances.leftOut ?? 0),
                  `${where} query ${b}`,
                );
              }
            });
            step.close();
          }
    });
    largest.report(t);
  });

  test('a partition with a negligible share sends no sum and says what it left out', async () => {
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      const partition = generatePartition({ rows: 50, shape: [1, 2, 2], dtype: 'u8', seed: 4 });
      await backend.load(partition);
      const queries = generateQueries(partition, { batch: 3, seed: 3, alpha: 1, sigma: [0.05, 1, 1] });
      const step = backend.openStep(queries);
      const own = await step.scalars(0, {});
      const global = { maxLogit: own.maxLogit.map((m, b) => (b === 1 ? m + 40 : m)), mass: own.mass.slice() };
      const sums = await step.sums(0, {}, global, 2 ** -40, true);
      assert.deepEqual([...sums.queries], [0, 2]);
      assert.ok(Math.abs(sums.skippedShare[1]! - Math.exp(-40)) < 1.01 * SKIPPED_SHARE_QUANTUM);
      assert.equal(sums.skippedShare[1]! % SKIPPED_SHARE_QUANTUM, 0);
      assert.equal(sums.skippedShare[2], 0, 'no row of a wide posterior is left out');
      const rows = sums.histogram!.rows.subarray(2 * HISTOGRAM_BINS, 3 * HISTOGRAM_BINS).reduce((sum, n) => sum + n, 0);
      const mass = sums.histogram!.mass.subarray(2 * HISTOGRAM_BINS, 3 * HISTOGRAM_BINS).reduce((sum, n) => sum + n, 0);
      assert.equal(rows, 50);
      assert.ok(Math.abs(mass / own.mass[2]! - 1) < (subject.tolerances.histogram ?? 1e-12), 'sums of 50 doubles in two orders');
      assert.equal(sums.histogram!.rows[2 * HISTOGRAM_BINS]! >= 1, true, 'the heaviest row is in the first bin');
      step.close();
    });
  });

  test('rows more than 60 nats below the global maximum are not added and bound the share left out', async () => {
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      const partition = generatePartition({ rows: 300, shape: [1, 7, 7], dtype: 'u8', seed: 4 });
      await backend.load(partition);
      const queries = generateQueries(partition, { batch: 1, seed: 3, alpha: 1, sigma: 0.01 });
      const step = backend.openStep(queries);
      const own = await step.scalars(0, {});
      const sums = await step.sums(0, {}, own, 2 ** -40, false);
      const allowed = 300 * Math.exp(-60) + (subject.tolerances.leftOut ?? 0) + SKIPPED_SHARE_QUANTUM;
      assert.ok(sums.skippedShare[0]! > 0 && sums.skippedShare[0]! <= allowed, `${sums.skippedShare[0]} of ${allowed}`);
      assert.equal(own.mass[0], 1);
      step.close();
    });
  });

  test('a query without a row beside one whose rows are looked at again has no mass, and the other one its own', async (t) => {
    const largest = new Largest();
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      const partition = generatePartition({ rows: 300, shape: [1, 16, 16], dtype: 'u8', seed: 4, classes: 2 });
      await backend.load(partition);
      // Next to the data, where a distance needs more than products give.
      const queries = generateQueries(partition, { batch: 2, seed: 3, alpha: 1, sigma: 1e-3, labels: [77, 1] });
      const oracle = new Oracle(partition, queries);
      const step = backend.openStep(queries);
      const scalars = await step.scalars(0, {});
      const rows = Array.from({ length: partition.rows }, (_, i) => i).filter((i) => partition.labels[i] === 1);
      checkScalars(largest, subject, oracle, queries, partition, (b) => (b === 1 ? rows : []), scalars, 'labels 77 and 1');
      assert.equal(scalars.maxLogit[0], -Infinity);
      assert.deepEqual([scalars.mass[0], scalars.massSq[0], scalars.rows[0]], [0, 0, 0]);
      const sums = await step.sums(0, {}, scalars, 0, true);
      assert.deepEqual([...sums.queries], [1]);
      assert.equal(sums.skippedShare[0], 0);
      step.close();
    });
    largest.report(t);
  });
}
