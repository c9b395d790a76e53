/** Memory that the device has not: the fake driver has a limit, and an allocation that fails although there is room. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GolddiffError } from '../../../../shared/errors.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { cudaBackend, onDevice, skip as missing } from './emulated-device.js';

const skip = onDevice ? 'of the emulated device' : missing;

const partition = generatePartition({ rows: 1000, shape: [1, 16, 16], dtype: 'u8', seed: 1 });

test('rows that the device has no memory for are refused with the bytes needed and free, and it serves on', { skip }, async () => {
  const backend = cudaBackend({ emulated: { emulatedMemoryBytes: 200_000 } });
  try {
    await assert.rejects(
      backend.load(partition),
      (error: GolddiffError) =>
        error.code === 'LIMIT_EXCEEDED' && error.message === 'Partition 0 of generated needs 280000 bytes of device memory but 200000 are free',
    );
    assert.equal(backend.residentBytes, 0);
    const small = generatePartition({ rows: 100, shape: [1, 16, 16], dtype: 'u8', seed: 1 });
    await backend.load(small);
    const step = backend.openStep(generateQueries(small, { batch: 2, seed: 1, alpha: 1, sigma: 1 }));
    assert.equal((await step.scalars(0, {})).rows[0], 100);
    step.close();
  } finally {
    await backend.close();
  }
});

test('rows that are let go make room for those that are loaded next, although threads of the engine free them', { skip }, async () => {
  const backend = cudaBackend({ computeThreads: 3, emulated: { emulatedMemoryBytes: 320_000 } });
  try {
    for (let turn = 0; turn < 20; turn++) {
      await backend.load(partition);
      await backend.unload(partition);
    }
  } finally {
    await backend.close();
  }
});

test('a step that finds no memory on the device fails by itself with the bytes needed and free', { skip }, async () => {
  const backend = cudaBackend({ emulated: { emulatedMemoryBytes: 700_000 } });
  try {
    await backend.load(partition);
    const many = backend.openStep(generateQueries(partition, { batch: 200, seed: 1, alpha: 1, sigma: 1 }));
    await assert.rejects(
      many.scalars(0, {}),
      (error: GolddiffError) => error.code === 'LIMIT_EXCEEDED' && /needs \d+ more bytes of device memory but \d+ are free/.test(error.message),
    );
    many.close();
    const few = backend.openStep(generateQueries(partition, { batch: 2, seed: 1, alpha: 1, sigma: 1 }));
    assert.equal((await few.scalars(0, {})).rows[0], 1000);
    few.close();
  } finally {
    await backend.close();
  }
});

test('whichever allocation fails once, the answer is right or a clear error, and nothing is lost', { skip }, async () => {
  let failed = 0;
  for (let failingAllocation = 1; failingAllocation <= 40; failingAllocation++) {
    // The driver ends the process where memory was not given back when it closes.
    const backend = cudaBackend({ emulated: { failingAllocation } });
    try {
      await backend.load(partition);
      const step = backend.openStep(generateQueries(partition, { batch: 2, seed: 1, alpha: 1, sigma: 1 }));
      const scalars = await step.scalars(0, {});
      const sums = await step.sums(0, {}, scalars, 0, true);
      assert.equal(sums.queries.length, 2);
      step.close();
    } catch (error) {
      assert.equal((error as GolddiffError).code, 'LIMIT_EXCEEDED');
      failed++;
    } finally {
      await backend.close();
    }
  }
  // What was kept is let go and asked for again, so that one failure alone is none.
  assert.equal(failed, 0);
});

test('large rows take what they are budgeted for, up to 2 MiB an array', { skip }, async () => {
  const rows = 2112;
  const large = {
    ...generatePartition({ rows, shape: [1, 1, 1], dtype: 'f32', seed: 1 }),
    shape: [1, 64, 64] as const,
    values: new Float32Array(new SharedArrayBuffer(rows * 4096 * 4)),
  };
  assert.equal(large.values.byteLength, 33 * 2 ** 20);
  const backend = cudaBackend({ emulated: { emulatedMemoryBytes: 35 * 2 ** 20 } });
  try {
    await backend.load(large);
  } finally {
    await backend.close();
  }
});
