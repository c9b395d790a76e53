import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Backend, StepQueries } from '../../../shard-worker/backends/backend.js';
import { EquivariantThreads } from '../../../shard-worker/backends/equivariant-threads.js';
import { ReferenceBackend } from '../../../shard-worker/backends/reference/reference-backend.js';
import { generatePartition, generateQueries } from './generated-partition.js';

/** A backend of one thread that has not heard of patches from everywhere, nor, where so asked, of candidates. */
function without(takesCandidates = true): { backend: EquivariantThreads; inner: Backend; lines: string[]; opened: StepQueries[] } {
  const inner = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
  Object.defineProperty(inner, 'takesCandidates', { value: takesCandidates });
  const opened: StepQueries[] = [];
  const open = inner.openStep.bind(inner);
  inner.openStep = (queries) => (opened.push(queries), open(queries));
  const lines: string[] = [];
  const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(String(chunk)), done()) });
  return { backend: new EquivariantThreads(inner, 3, pino({ level: 'info' }, sink)), inner, lines, opened };
}

test('patches from everywhere go to threads of their own, told of once; everything else to the backend itself', async () => {
  const { backend, inner, lines, opened } = without();
  const partition = generatePartition({ rows: 9, shape: [1, 4, 4], dtype: 'u8', seed: 1 });
  const plain = generateQueries(partition, { batch: 1, seed: 2, alpha: 1, sigma: 1 });
  const withKind = (kind: 'window' | 'equivariant'): StepQueries => ({
    ...plain,
    precision: { groups: 16, kinds: [{ kind, side: 3 }], of: Uint32Array.of(0) },
  });
  try {
    await backend.load(partition);
    assert.deepEqual([backend.name, backend.computeThreads, backend.residentBytes], [inner.name, 3, inner.residentBytes]);
    for (const queries of [plain, withKind('window')]) {
      const step = backend.openStep(queries);
      if (queries.precision) await step.groups(partition.partition, {});
      else await step.scalars(partition.partition, {});
      step.close();
    }
    assert.deepEqual([opened.length, lines.length], [2, 0]);
    for (let round = 0; round < 2; round++) {
      const step = backend.openStep(withKind('equivariant'));
      const { rows, mass } = await step.groups(partition.partition, {});
      assert.ok(rows[0] === 9 && mass.every((s) => s >= 1 && s <= 9 * 16));
      step.close();
    }
    assert.equal(opened.length, 2);
    const told = lines.map((line) => JSON.parse(line) as { msg: string; computeThreads: number });
    assert.deepEqual(
      told.map(({ msg, computeThreads }) => [msg.includes('patches from all locations'), computeThreads]),
      [[true, 3]],
      'threads of the worker, of which the backend may have one alone',
    );
    assert.equal((await backend.moments(partition, -1)).rows, 9);
    // What comes and goes later does so on both sides.
    const other = { ...partition, partition: partition.partition + 1 };
    await backend.load(other);
    await backend.unload(partition);
    const step = backend.openStep(withKind('equivariant'));
    assert.equal((await step.groups(other.partition, {})).rows[0], 9);
    await assert.rejects(step.groups(partition.partition, {}), { code: 'PARTITION_MISSING' });
    step.close();
  } finally {
    await backend.close();
  }
});

test('a step restricted to some rows goes to the threads where the backend takes no candidates, with its screens', async () => {
  for (const takesCandidates of [true, false]) {
    const { backend, lines, opened } = without(takesCandidates);
    const partition = generatePartition({ rows: 9, shape: [1, 4, 4], dtype: 'u8', seed: 1 });
    const queries = { ...generateQueries(partition, { batch: 1, seed: 2, alpha: 1, sigma: 1 }), restricted: true };
    try {
      assert.equal(backend.takesCandidates, takesCandidates);
      await backend.load(partition);
      for (let round = 0; round < 2; round++) {
        const step = backend.openStep(queries);
        step.restrict!(partition.partition, [Uint32Array.of(1, 5)]);
        assert.equal((await step.scalars(partition.partition, {})).rows[0], 2);
        step.close();
      }
      assert.equal(opened.length, takesCandidates ? 2 : 0);
      assert.equal(lines.filter((line) => line.includes('some rows of a partition')).length, takesCandidates ? 0 : 1);
    } finally {
      await backend.close();
    }
  }
});
