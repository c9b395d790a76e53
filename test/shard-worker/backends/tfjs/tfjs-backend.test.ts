import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GolddiffError } from '../../../../shared/errors.js';
import { deviceBytesOf } from '../../../../shard-worker/backends/tfjs/device-partition.js';
import { TfjsBackend } from '../../../../shard-worker/backends/tfjs/tfjs-backend.js';
import { backendConformance } from '../conformance.js';
import { groupsConformance } from '../conformance-groups.js';
import { generatePartition, generateQueries } from '../generated-partition.js';
import { makeSupportSet } from '../../../../shared/math/support-set.js';
import { flavours, from, skip, tfjsBackend } from './tfjs-under-test.js';

/** Row lengths about three values to a word, and more columns than one exact sum has terms. */
const SHAPES = [
  [2, 1, 1],
  [4, 1, 1],
  [5, 1, 1],
  [1, 9, 7],
  [3, 40, 40],
] as const;

/** The plain one runs where there is no other: it is slow. */
const tried = flavours.filter((flavour) => flavour !== 'cpu' || flavours.length === 1);

for (const flavour of tried) {
  backendConformance({
    name: `tfjs ${flavour}`,
    threadCounts: [1, 2],
    create: ({ deviceMemoryBytes = Infinity, stepStateBytesMax }) => tfjsBackend(flavour, { deviceMemoryBytes, stepStateBytesMax }),
    // Products are exact; a query q has 40 bits, so that its values are off by 2^-39 |q| and a distance by 2 |q| (|q| + a |y|) 2^-39, at most 2^-37 of the scale.
    // A weight has 38, and there are up to 700 of them.
    tolerances: { distance: 2 ** -37, mass: 2 ** -36, sums: 2 ** -24 + 700 * 2 ** -39 },
    shapes: SHAPES,
    closeAfterMs: 5,
  });

  groupsConformance({
    name: `tfjs ${flavour}`,
    create: ({ deviceMemoryBytes = Infinity }) => tfjsBackend(flavour, { deviceMemoryBytes }),
    // Float32: see deviceGroups.
    tolerance: { nats: 5e-4, relative: 1e-6, weights: 1e-5 },
  });
}

test('without TensorFlow.js the thread says so in one sentence with the next step, whatever it is asked', async () => {
  const backend = new TfjsBackend({ from, flavours: [], deviceMemoryBytes: Infinity });
  const refused = (error: GolddiffError): boolean => error.code === 'BACKEND_MISSING' && /npm install .*tfjs-node/.test(error.message);
  try {
    await assert.rejects(backend.device(), refused);
    await assert.rejects(backend.load(generatePartition({ rows: 3, shape: [1, 2, 2], dtype: 'u8', seed: 1 })), refused);
    assert.equal(backend.residentBytes, 0, 'what was not loaded is not counted');
  } finally {
    await backend.close();
  }
});

test('the device keeps the slice and nothing of 1,000 steps', { skip, timeout: 240_000 }, async (t) => {
  const backend = tfjsBackend(flavours[0]!);
  try {
    const partition = generatePartition({ rows: 60, shape: [1, 4, 4], dtype: 'u8', seed: 1 });
    await backend.load(partition);
    const queries = generateQueries(partition, { batch: 3, seed: 2, alpha: [1, 0.9, 0.5], sigma: [0.2, 0.5, 1], proxyResolution: 2 });
    const set = makeSupportSet(16, 16, (p, g) => Math.abs(p - g) < 3);
    const precision = {
      groups: 16,
      kinds: [
        { kind: 'supports', set },
        { kind: 'window', side: 3 },
      ],
      of: Uint32Array.of(0, 1, 0),
    } as const;
    const work = async (): Promise<void> => {
      const step = backend.openStep(queries);
      const screen = await step.screen(0, 'proxy', {}, { kind: 'windows', windows: [0, 1, 2].map((query) => ({ query, firstRank: 29, count: 1 })) });
      const cuts = { proxy: { key: screen.keys, rowId: screen.rowIds } };
      const scalars = await step.scalars(0, cuts);
      await step.sums(0, cuts, scalars, 0, false);
      step.close();
      const grouped = backend.openStep({ ...queries, precision });
      await grouped.groups(0, cuts);
      grouped.close();
    };
    await work();
    const before = await backend.device();
    for (let round = 0; round < 500; round++) await work();
    const after = await backend.device();
    assert.deepEqual(after, before);
    t.diagnostic(`${flavours[0]}: ${after.tensors} tensors of ${after.bytes} bytes before and after 500 exact and 500 grouped steps`);
    await backend.unload(partition);
    assert.equal((await backend.device()).tensors, 0, 'a partition that is let go leaves nothing');
    const { device } = await backend.facts();
    await backend.load(partition);
    const { rows, proxies } = deviceBytesOf(partition, device);
    assert.equal(backend.residentBytes, rows + proxies);
  } finally {
    await backend.close();
  }
});
