import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReferenceBackend } from '../../../../shard-worker/backends/reference/reference-backend.js';
import { backendConformance } from '../conformance.js';
import { groupsConformance } from '../conformance-groups.js';
import { generatePartition, generateQueries } from '../generated-partition.js';

backendConformance({
  name: 'reference',
  threadCounts: [1, 2, 3],
  create: ({ computeThreads, deviceMemoryBytes = Infinity, stepStateBytesMax }) =>
    new ReferenceBackend({ computeThreads, deviceMemoryBytes, ...(stepStateBytesMax === undefined ? {} : { stepStateBytesMax }) }),
  // Two ways of rounding x - a y differ by an ulp or two per value: 2^-52 times a few; the sums over up to 784 values add little.
  tolerances: { distance: 1e-14, mass: 2e-14, sums: 2 ** -24 + 1e-12 },
});

groupsConformance({
  name: 'reference',
  create: ({ computeThreads, deviceMemoryBytes = Infinity }) => new ReferenceBackend({ computeThreads, deviceMemoryBytes }),
  // Double on both sides, sums in another order.
  tolerance: { nats: 1e-11, relative: 1e-11, weights: 1e-11 },
});

test('the state of a step is given back when it closes', async () => {
  const backend = new ReferenceBackend({ computeThreads: 2, deviceMemoryBytes: Infinity });
  try {
    for (const id of [0, 1]) await backend.load(generatePartition({ partition: id, rows: 500, shape: [1, 8, 8], dtype: 'u8', seed: id }));
    const partition = generatePartition({ rows: 500, shape: [1, 8, 8], dtype: 'u8', seed: 0 });
    const step = backend.openStep(generateQueries(partition, { batch: 16, seed: 1, alpha: 1, sigma: 1 }));
    const fraction = { kind: 'fraction', fraction: new Float64Array(16).fill(0.5) } as const;
    for (const id of [0, 1]) {
      await step.screen(id, 'proxy', {}, fraction);
      const cut = { key: new Float64Array(16).fill(10), rowId: new Uint32Array(16) };
      await step.screen(id, 'full', { proxy: cut }, fraction);
      await step.scalars(id, { proxy: { ...cut, key: new Float64Array(16).fill(11) } });
    }
    assert.ok(backend.stepStateBytes >= 2 * 16 * 500 * 8);
    step.close();
    const probe = backend.openStep(generateQueries(partition, { batch: 1, seed: 1, alpha: 1, sigma: 1 }));
    for (const id of [0, 1]) await probe.screen(id, 'full', {}, { kind: 'fraction', fraction: new Float64Array(1) });
    assert.equal(backend.stepStateBytes, 0);
    probe.close();
  } finally {
    await backend.close();
  }
});
