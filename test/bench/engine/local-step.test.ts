import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ReferenceBackend } from '../../../shard-worker/backends/reference/reference-backend.js';
import { resolveGolden } from '../../../shared/math/golden-schedule.js';
import { bruteForce } from './brute-force-of.js';
import { exactStep, goldenStep } from './local-step.js';
import { isas, nativeBackend, skip } from '../../shard-worker/backends/native/addon-under-test.js';
import { generatePartition, generateQueries } from '../../shard-worker/backends/generated-partition.js';

const SHAPE = [1, 4, 4] as const;

test('exact and golden steps over two partitions are those of plain loops', async (t) => {
  const backend = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
  try {
    const partitions = [0, 1].map((partition) =>
      generatePartition({ rows: 50 + partition, shape: SHAPE, dtype: 'u8', seed: partition + 1, partition }),
    );
    for (const partition of partitions) await backend.load(partition);
    const held = { partitions: [0, 1], rows: 101 };
    const queries = generateQueries(partitions[0]!, { batch: 3, seed: 5, alpha: 0.8, sigma: 0.6 });

    const exact = await exactStep(backend, held, { ...queries, golden: undefined }, true);
    const wanted = bruteForce(partitions, queries);
    let worst = 0;
    exact.x0hat.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - wanted.x0hat[i]!))));
    t.diagnostic(`largest difference ${worst.toExponential(1)}`);
    // Weighted sums are merged in float32.
    assert.ok(worst < 1e-6);
    assert.deepEqual(Object.keys(exact.phases), ['logits', 'weighted sums', 'merge']);
    assert.ok(
      exact.rowsThatMatter?.every((rows, b) => Math.abs(rows - wanted.rowsWithin[b]!) <= 2),
      'rows of one bin may go either way',
    );

    const settings = resolveGolden({ kMin: 5, kMax: 10 }, held.rows);
    const golden = await goldenStep(backend, held, queries, settings);
    assert.ok(golden.sizes.subset < golden.sizes.pool && golden.sizes.pool < held.rows);
    assert.equal(golden.x0hat.length, exact.x0hat.length);
    assert.deepEqual(Object.keys(golden.phases), ['screen proxy', 'screen full', 'logits', 'weighted sums', 'merge']);
    const all = await goldenStep(backend, held, queries, resolveGolden({ kFixed: 101, kMax: 101 }, held.rows));
    assert.deepEqual(all.x0hat, exact.x0hat, 'a subset of all rows is exact');
  } finally {
    await backend.close();
  }
});

test('with proofs a golden step needs no cuts and no second look at its rows, and is the one that looks for cuts', { skip }, async (t) => {
  const backends = [nativeBackend(isas[0]!), new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity })];
  const answers = [];
  for (const backend of backends) {
    const partitions = [0, 1].map((partition) => generatePartition({ rows: 400, shape: SHAPE, dtype: 'u8', seed: partition + 1, partition }));
    for (const partition of partitions) await backend.load(partition);
    const queries = generateQueries(partitions[0]!, { batch: 4, seed: 5, alpha: 1, sigma: 0.02, proxyResolution: 2 });
    answers.push(await goldenStep(backend, { partitions: [0, 1], rows: 800 }, queries, resolveGolden({ kMin: 20, kMax: 40 }, 800)));
    await backend.close();
  }
  const [proven, searched] = answers;
  assert.deepEqual(Object.keys(proven!.phases), ['proofs', 'screen proxy', 'screen full', 'weighted sums', 'merge']);
  let worst = 0;
  proven!.x0hat.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - searched!.x0hat[i]!))));
  t.diagnostic(`largest difference ${worst.toExponential(1)}`);
  assert.ok(worst < 1e-5);
});

test('a step with a precision takes its weights by groups: windows that see the whole picture give the optimal denoiser', async () => {
  const backend = new ReferenceBackend({ computeThreads: 1, deviceMemoryBytes: Infinity });
  try {
    const partitions = [0, 1].map((partition) => generatePartition({ rows: 40, shape: SHAPE, dtype: 'u8', seed: partition + 7, partition }));
    for (const partition of partitions) await backend.load(partition);
    const held = { partitions: [0, 1], rows: 80 };
    const queries = generateQueries(partitions[0]!, { batch: 2, seed: 6, alpha: 0.8, sigma: 0.6 });
    const whole = { groups: 16, kinds: [{ kind: 'window', side: 9 }], of: new Uint32Array(2) } as const;
    const plain = await exactStep(backend, held, { ...queries, golden: undefined });
    const exact = await exactStep(backend, held, { ...queries, golden: undefined, precision: whole });
    // Both are merged in float32.
    exact.x0hat.forEach((value, i) => assert.ok(Math.abs(value - plain.x0hat[i]!) < 1e-6));
    assert.deepEqual(Object.keys(exact.phases), ['groups', 'merge']);
    const golden = await goldenStep(backend, held, { ...queries, precision: whole }, resolveGolden({ kMin: 5, kMax: 10 }, held.rows));
    assert.deepEqual(Object.keys(golden.phases), ['screen proxy', 'screen full', 'groups', 'merge']);
  } finally {
    await backend.close();
  }
});
