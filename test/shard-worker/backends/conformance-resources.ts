/** Steps that are closed, partitions that are let go, memory that is not there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GolddiffError } from '../../../shared/errors.js';
import { withBackend } from './conformance-comparison.js';
import type { ConformanceSubject } from './conformance.js';
import { generatePartition, generateQueries, pickQueries } from './generated-partition.js';

export function resourcesConformance(subject: ConformanceSubject): void {
  test('closing a step rejects what is under way and leaves the backend in order', async () => {
    await withBackend(subject.create({ computeThreads: 2 }), async (backend) => {
      const partition = generatePartition({ rows: 4000, shape: [1, 28, 28], dtype: 'u8', seed: 1 });
      await backend.load(partition);
      const queries = generateQueries(partition, { batch: 128, seed: 1, alpha: 1, sigma: 1 });
      const step = backend.openStep(queries);
      const pending = step.scalars(0, {});
      const checked = assert.rejects(pending, (error: GolddiffError) => error.code === 'CANCELLED');
      await new Promise((resolve) => setTimeout(resolve, subject.closeAfterMs ?? 20));
      step.close();
      step.close();
      await checked;
      await assert.rejects(step.scalars(0, {}), (error: GolddiffError) => error.code === 'CANCELLED');
      const small = backend.openStep(pickQueries(queries, [0]));
      assert.equal((await small.scalars(0, {})).rows[0], 4000);
      small.close();
    });
  });

  test('a partition that does not fit is refused with the bytes needed and free, and one that is not held is named', async () => {
    const first = generatePartition({ partition: 0, rows: 100, shape: [1, 10, 10], dtype: 'u8', seed: 1 });
    let held = 0;
    await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
      await backend.load(first);
      held = backend.residentBytes;
    });
    const deviceMemoryBytes = Math.floor(1.5 * held);
    await withBackend(subject.create({ computeThreads: 1, deviceMemoryBytes }), async (backend) => {
      await backend.load(first);
      assert.equal(backend.residentBytes, held);
      assert.ok(held >= 100 * 100 + 800);
      const second = generatePartition({ partition: 1, rows: 100, shape: [1, 10, 10], dtype: 'u8', seed: 2 });
      await assert.rejects(
        backend.load(second),
        (error: GolddiffError) => error.code === 'LIMIT_EXCEEDED' && error.message.includes(`${deviceMemoryBytes - held} are free`),
      );
      await backend.unload({ dataSet: 'generated', partition: 0 });
      await backend.unload({ dataSet: 'generated', partition: 0 });
      assert.equal(backend.residentBytes, 0);
      await backend.load(second);
      const step = backend.openStep(generateQueries(second, { batch: 1, seed: 1, alpha: 1, sigma: 1 }));
      await assert.rejects(step.scalars(0, {}), (error: GolddiffError) => error.code === 'PARTITION_MISSING');
      assert.equal((await step.scalars(1, {})).rows[0], 100);
      step.close();
    });
  });
}
