import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionScreen, StepQueries } from '../../../../shard-worker/backends/backend.js';
import type { Isa } from '../../../../shared/native/native-addon.js';
import type { GolddiffError } from '../../../../shared/errors.js';
import { BATCH_ROWS_MAX, LEVEL_MAX, LEVEL_MIN, QUERY_VALUE_MAX } from '../../../../shared/limits.js';
import { backendConformance, IMAGE_SHAPES } from '../conformance.js';
import { groupsConformance } from '../conformance-groups.js';
import { generatePartition, generateQueries, pickQueries } from '../generated-partition.js';
import { Oracle } from '../oracle.js';
import { isas, nativeAddon, nativeBackend, skip } from './addon-under-test.js';

/** Row lengths and numbers of rows around the widths of vectors (16 sums, 64 bytes), a prime, and more than a tile. */
const SHAPES = [[15, 1, 1], [16, 1, 1], [17, 1, 1], ...IMAGE_SHAPES] as const;
const ROWS = [15, 16, 17, 63, 64, 65];

test('the conformance suite runs on every instruction set of this machine', { skip }, () => {
  assert.ok(isas.length > 0);
});

test('the addon refuses a step with an array that is shorter or longer than its queries', { skip }, () => {
  const addon = nativeAddon();
  const engine = addon.createEngine({ threads: 1, isa: 'scalar', stepStateBytesMax: 2 ** 20 });
  const two = Float64Array.of(1, 1);
  const queries = {
    ...{ batch: 2, dim: 1, channels: 1, height: 1, width: 1, x: two, alpha: two, sigma: two },
    ...{ temperature: 1, tolerance: 2 ** -24, factor: 0, presampleSeed: 0, presampleStep: 0 },
    ...{ labels: Int32Array.of(-1, -1), queryIds: Uint32Array.of(0, 1) },
  };
  const refused = /^Error: The arrays of a step do not have its shape$/;
  for (const length of [1, 3]) {
    const other = new Float64Array(length);
    for (const array of [{ x: other }, { alpha: other }, { sigma: other }, { labels: new Int32Array(length) }, { queryIds: new Uint32Array(length) }])
      assert.throws(() => addon.openStep(engine, { ...queries, ...array }), refused, `${Object.keys(array)[0]} of ${length}`);
  }
  addon.closeStep(addon.openStep(engine, queries));
  addon.closeEngine(engine);
});

for (const isa of isas)
  backendConformance({
    name: `native ${isa}`,
    threadCounts: [1, 2, 3],
    create: ({ computeThreads, deviceMemoryBytes = Infinity }) => nativeBackend(isa, { computeThreads, deviceMemoryBytes }),
    shapes: SHAPES,
    rows: ROWS,
    // A request of this engine is over in milliseconds.
    closeAfterMs: 0,
    tolerances: {
      // Keys are made of 32-bit queries: rounded by half of 2^-31 of the largest value, seen through sums of some thousand values.
      distance: 1e-9,
      mass: 1e-13,
      // Limbs are chosen so that a logit is off by 4e-6 nats, typically, and 2e-4 nats, provably; five times the typical.
      logit: 2e-5,
      // The bound on x0hat; float32 sums of 64 rows have 4e-6 of it at worst.
      sums: 1e-5,
      leftOut: 2 ** -24,
      // A float32 mean is off by 2^-24 of itself, its square by twice that.
      floatProxy: 4 * 2 ** -24,
      histogram: 1e-6,
    },
  });

for (const isa of isas)
  groupsConformance({
    name: `native ${isa}`,
    create: (options) => nativeBackend(isa, options),
    // Distances to 8-bit rows are integers of 31 bits, here in steps of 1.5e-5 nats at most, after differences in float32 (6 * 2^-24); weights are float32.
    tolerance: { nats: 5e-5, relative: 4e-7, weights: 1e-6 },
  });

async function fullKeys(isa: Isa, dtype: 'u8' | 'f32', stage: 'full' | 'proxy'): Promise<PartitionScreen> {
  const backend = nativeBackend(isa);
  try {
    const partition = generatePartition({ rows: 333, shape: [1, 28, 28], dtype, seed: 8 });
    await backend.load(partition);
    const queries = generateQueries(partition, { batch: 6, seed: 9, alpha: [1, 0.99, 0.8, 0.5, 0.1, 1], sigma: [0.01, 0.1, 0.6, 0.9, 1, 80] });
    const step = backend.openStep(queries);
    const windows = [...queries.alpha].map((_, query) => ({ query, firstRank: 0, count: partition.rows }));
    const screen = await step.screen(0, stage, {}, { kind: 'windows', windows });
    step.close();
    return screen;
  } finally {
    await backend.close();
  }
}

test('instruction sets rank alike: keys of 8-bit rows agree bit for bit, those of float rows to rounding', { skip }, async (t) => {
  for (const stage of ['full', 'proxy'] as const)
    for (const dtype of ['u8', 'f32'] as const) {
      const [first, ...others] = await Promise.all(isas.map((isa) => fullKeys(isa, dtype, stage)));
      for (const [i, other] of others.entries()) {
        assert.deepEqual(other.rowIds, first!.rowIds, `${isas[i + 1]} against ${isas[0]}`);
        let worst = 0;
        other.keys.forEach((key, k) => (worst = Math.max(worst, Math.abs(key - first!.keys[k]!) / first!.keys[k]!)));
        t.diagnostic(`${stage} ${dtype}: keys of ${isas[i + 1]} differ from ${isas[0]} by at most ${worst.toExponential(1)}, relative`);
        // Integers are the same, and what follows them runs in one order; sums of float rows are as wide as the vectors.
        assert.ok(worst <= (dtype === 'u8' ? 0 : 1e-14), `${worst}`);
      }
    }
});

for (const isa of isas) {
  test(`${isa}: every size of a batch gives each query what it gives alone`, async () => {
    const backend = nativeBackend(isa);
    try {
      const partition = generatePartition({ rows: 260, shape: [1, 9, 7], dtype: 'u8', seed: 3, classes: 2 });
      await backend.load(partition);
      const batch = BATCH_ROWS_MAX;
      const each = (low: number, high: number): number[] => Array.from({ length: batch }, (_, b) => low * (high / low) ** (((b * 37) % 64) / 63));
      const labels = Array.from({ length: batch }, (_, b) => (b % 5 === 0 ? b % 2 : -1));
      const all = generateQueries(partition, { batch, seed: 4, alpha: each(0.05, 1), sigma: each(0.01, 80), labels });
      const answer = async (queries: StepQueries, screened = false) => {
        const step = backend.openStep(queries);
        if (screened) await step.screen(0, 'full', {}, { kind: 'fraction', fraction: new Float64Array(queries.batch).fill(0.1) });
        const scalars = await step.scalars(0, {});
        const sums = await step.sums(0, {}, scalars, 0, false);
        step.close();
        return { scalars, sums };
      };
      const whole = await answer(all);
      assert.equal(whole.sums.queries.length, batch);
      assert.deepEqual(await answer(all, true), whole, 'keys that were computed before change nothing');
      for (const size of [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 127]) {
        const chosen = Array.from({ length: size }, (_, k) => (k * 101 + size) % batch);
        const part = await answer(pickQueries(all, chosen));
        chosen.forEach((b, k) => {
          for (const what of ['maxLogit', 'mass', 'massSq', 'rows'] as const)
            assert.equal(part.scalars[what][k], whole.scalars[what][b], `${what} of ${b} in ${size}`);
          assert.deepEqual(part.sums.sums.subarray(k * 63, (k + 1) * 63), whole.sums.sums.subarray(b * 63, (b + 1) * 63));
          assert.equal(part.sums.skippedShare[k], whole.sums.skippedShare[b]);
        });
      }
    } finally {
      await backend.close();
    }
  });

  test(`${isa}: levels and values at their limits give finite answers that agree with the oracle`, async () => {
    const backend = nativeBackend(isa);
    try {
      for (const dtype of ['u8', 'f32'] as const) {
        const partition = generatePartition({ partition: dtype === 'u8' ? 0 : 1, rows: 40, shape: [1, 4, 4], dtype, seed: 3 });
        await backend.load(partition);
        const alpha = [LEVEL_MIN, LEVEL_MAX, 1, 1, 1e-4, 1];
        const sigma = [1, 1, LEVEL_MIN, LEVEL_MAX, 1, 1];
        const queries = generateQueries(partition, { batch: 6, seed: 5, alpha, sigma });
        queries.x.fill(QUERY_VALUE_MAX, 5 * 16);
        queries.x.fill(0, 4 * 16, 5 * 16);
        const oracle = new Oracle(partition, queries);
        const step = backend.openStep(queries);
        const scalars = await step.scalars(partition.partition, {});
        const sums = await step.sums(partition.partition, {}, scalars, 2 ** -40, false);
        step.close();
        const all = Array.from({ length: partition.rows }, (_, i) => i);
        for (let b = 0; b < 6; b++) {
          const want = oracle.scalars(b, all);
          assert.ok(
            Math.abs(scalars.maxLogit[b]! - want.maxLogit) <= 1e-8 * Math.abs(want.maxLogit) + 2e-5,
            `${dtype} query ${b}: ${scalars.maxLogit[b]} for ${want.maxLogit}`,
          );
          assert.ok(scalars.mass[b]! >= 1 - 2 ** -20 && scalars.mass[b]! <= 40 * (1 + 1e-9), `${dtype} query ${b}: a mass of ${scalars.mass[b]}`);
          // Where logits are beyond 2^53 nats apart or not at all, rounding alone decides; the others must agree.
          if (b === 0 || b === 3 || b === 4)
            assert.ok(Math.abs(scalars.mass[b]! - want.mass) <= 1e-6 * want.mass, `${dtype} query ${b}: ${scalars.mass[b]} for ${want.mass}`);
        }
        assert.ok(sums.sums.every(Number.isFinite));
      }
    } finally {
      await backend.close();
    }
  });

  test(`${isa}: rows too long for 32-bit sums of products are compared in double`, async () => {
    const backend = nativeBackend(isa);
    try {
      const partition = generatePartition({ rows: 9, shape: [3, 150, 150], dtype: 'u8', seed: 3 });
      await backend.load(partition);
      const queries = generateQueries(partition, { batch: 2, seed: 5, alpha: [1, 0.9], sigma: [1, 60] });
      const oracle = new Oracle(partition, queries);
      const step = backend.openStep(queries);
      const scalars = await step.scalars(0, {});
      const windows = [0, 1].map((query) => ({ query, firstRank: 0, count: partition.rows }));
      const proxies = await step.screen(0, 'proxy', {}, { kind: 'windows', windows });
      step.close();
      const all = Array.from({ length: partition.rows }, (_, i) => i);
      for (const b of [0, 1]) {
        const want = oracle.scalars(b, all);
        assert.ok(Math.abs(scalars.maxLogit[b]! - want.maxLogit) <= 1e-12 * Math.abs(want.maxLogit), `${scalars.maxLogit[b]} for ${want.maxLogit}`);
        assert.ok(Math.abs(scalars.mass[b]! / want.mass - 1) <= 1e-7, `${scalars.mass[b]} for ${want.mass}`);
        assert.deepEqual(
          [...proxies.rowIds.subarray(b * 9, b * 9 + 9)],
          oracle.ranked('proxy', b, all).map((row) => row.rowId),
        );
      }
    } finally {
      await backend.close();
    }
  });

  test(`${isa}: ranks that do not exist are refused and leave the step in order`, async () => {
    const backend = nativeBackend(isa);
    try {
      const partition = generatePartition({ rows: 10, shape: [1, 2, 2], dtype: 'u8', seed: 3 });
      await backend.load(partition);
      const step = backend.openStep(generateQueries(partition, { batch: 1, seed: 5, alpha: 1, sigma: 1 }));
      for (const [firstRank, count] of [
        [0, 11],
        [10, 1],
        [2 ** 32 - 1, 2],
      ] as const)
        await assert.rejects(
          step.screen(0, 'full', {}, { kind: 'windows', windows: [{ query: 0, firstRank, count }] }),
          (error: GolddiffError) => error.code === 'ARGUMENT_INVALID',
        );
      const none = await step.screen(0, 'full', {}, { kind: 'windows', windows: [{ query: 0, firstRank: 10, count: 0 }] });
      assert.equal(none.keys.length, 0);
      step.close();
    } finally {
      await backend.close();
    }
  });

  test(`${isa}: steps closed and partitions let go at any moment reject with CANCELLED and break nothing`, async () => {
    const backend = nativeBackend(isa, { computeThreads: 3 });
    const partitions = [0, 1, 2].map((partition) => generatePartition({ partition, rows: 900, shape: [1, 14, 14], dtype: 'u8', seed: partition }));
    const queries = generateQueries(partitions[0]!, { batch: 33, seed: 1, alpha: 1, sigma: 1, proxyResolution: 7 });
    let cancelled = 0;
    let done = 0;
    for (let round = 0; round < 40; round++) {
      for (const partition of partitions) await backend.load(partition);
      const step = backend.openStep(queries);
      const fraction = { kind: 'fraction', fraction: new Float64Array(33).fill(0.5) } as const;
      const calls = partitions.flatMap(({ partition }) => [step.scalars(partition, {}), step.screen(partition, 'proxy', {}, fraction)]);
      const outcomes = Promise.allSettled(calls);
      for (let turn = 0; turn < round % 8; turn++) await new Promise((resolve) => setImmediate(resolve));
      if (round % 2 === 0) for (const { partition } of partitions) await backend.unload({ dataSet: 'generated', partition });
      if (round % 3 !== 2) step.close();
      for (const outcome of await outcomes) {
        if (outcome.status === 'fulfilled') done++;
        else {
          assert.equal((outcome.reason as GolddiffError).code, 'CANCELLED');
          cancelled++;
        }
      }
      step.close();
      for (const { partition } of partitions) await backend.unload({ dataSet: 'generated', partition });
    }
    assert.ok(cancelled > 0 && done > 0, `${cancelled} cancelled, ${done} done`);
    for (const partition of partitions) await backend.load(partition);
    const last = backend.openStep(queries);
    const pending = Promise.allSettled(partitions.map(({ partition }) => last.scalars(partition, {})));
    await backend.close();
    await pending;
    await backend.close();
  });
}
