import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReferenceBackend } from '../../../../shard-worker/backends/reference/reference-backend.js';
import { backendConformance, IMAGE_SHAPES } from '../conformance.js';
import { groupsConformance } from '../conformance-groups.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { cudaBackend, skip } from './emulated-device.js';

/** Row lengths and numbers of rows around the widths of the kernels (64 bytes of a row, 32 rows of a product), a prime, and more than a block. */
const SHAPES = [[31, 1, 1], [32, 1, 1], [33, 1, 1], ...IMAGE_SHAPES] as const;

if (skip === false) {
  backendConformance({
    name: 'cuda',
    threadCounts: [1, 3],
    create: ({ computeThreads, deviceMemoryBytes = Infinity }) => cudaBackend({ computeThreads, deviceMemoryBytes }),
    shapes: SHAPES,
    rows: [31, 32, 33, 257],
    closeAfterMs: 0,
    tolerances: {
      // As those of the native engine, whose limbs these are.
      distance: 1e-9,
      mass: 1e-13,
      logit: 2e-5,
      sums: 1e-5,
      leftOut: 2 ** -24,
      floatProxy: 4 * 2 ** -24,
      histogram: 1e-6,
    },
  });
  groupsConformance({
    name: 'cuda',
    create: (options) => cudaBackend(options),
    // Distances to 8-bit rows are integers of 32 bits; weights are float32 of a float32 number of nats.
    tolerance: { nats: 5e-5, relative: 4e-7, weights: 2e-6 },
  });
}

test('keys that differ in their last bits alone are ranked, each rank by itself', { skip }, async () => {
  const rows = 200;
  const order = Array.from({ length: rows }, (_, i) => (i * 77) % rows);
  // (1 - v)^2 is below 1 by k 2^-46, 128 units in the last place: in the bits that the last two digits of the selection share, too.
  const values = new Float32Array(new SharedArrayBuffer(rows * 4)).map((_, i) => order[i]! * 2 ** -47);
  const partition = {
    dataSet: 'near',
    partition: 0,
    rows,
    shape: [1, 1, 1] as const,
    values: new Float32Array(new SharedArrayBuffer(rows * 4)),
    labels: new Int32Array(rows).fill(-1),
    rowIds: Uint32Array.from({ length: rows }, (_, i) => i),
  };
  partition.values.set(values);
  const backend = cudaBackend();
  try {
    await backend.load(partition);
    const ones = Float64Array.of(1);
    const step = backend.openStep({
      dataSet: 'near',
      batch: 1,
      x: ones,
      alpha: ones,
      sigma: ones,
      temperature: 1,
      labels: undefined,
      golden: undefined,
    });
    const windows = Array.from({ length: rows }, (_, firstRank) => ({ query: 0, firstRank, count: 1 }));
    const { rowIds } = await step.screen(0, 'full', {}, { kind: 'windows', windows });
    step.close();
    // The largest value is the nearest.
    assert.deepEqual(
      [...rowIds].map((id) => order[id]),
      Array.from({ length: rows }, (_, rank) => rows - 1 - rank),
    );
  } finally {
    await backend.close();
  }
});

test('groups of rows of several lengths, whose tables take more or less shared memory, are those of the reference', { skip }, async () => {
  const backends = [cudaBackend(), new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity })];
  try {
    // Tables of eight rows take 1,600, 25,120 and 98,336 bytes; a block has 48 KiB without asking.
    for (const [partition, side] of [7, 28, 32].entries()) {
      const rows = generatePartition({
        dataSet: `of ${side}`,
        partition,
        rows: 20,
        shape: [side === 32 ? 3 : 1, side, side],
        dtype: 'u8',
        seed: side,
      });
      const queries = {
        ...generateQueries(rows, { batch: 2, seed: 1, alpha: 0.9, sigma: 0.8 }),
        precision: { groups: side * side, kinds: [{ kind: 'window' as const, side: 3 }], of: new Uint32Array(2) },
      };
      const [got, want] = await Promise.all(
        backends.map(async (backend) => {
          await backend.load(rows);
          const step = backend.openStep(queries);
          const found = await step.groups(partition, {});
          step.close();
          return found;
        }),
      );
      for (const [i, mass] of want!.mass.entries()) {
        assert.ok(Math.abs(got!.maxLogit[i]! - want!.maxLogit[i]!) <= 5e-5 + 4e-7 * Math.abs(want!.maxLogit[i]!), `largest logit ${i} of ${side}`);
        assert.ok(Math.abs(got!.mass[i]! / mass - 1) <= 2e-4, `mass ${i} of ${side}`);
      }
    }
  } finally {
    for (const backend of backends) await backend.close();
  }
});
