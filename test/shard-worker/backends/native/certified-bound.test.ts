/** The bound on what was left out is never below the truth: 10,000 random queries and more, with tolerances that make the engine leave out a lot. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionRows, StepQueries } from '../../../../shard-worker/backends/backend.js';
import { generatePartition, generateQueries, seeded } from '../generated-partition.js';
import { Oracle } from '../oracle.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

const QUERIES_MIN = 10_000;
const BATCH = 64;
const TOLERANCES = [2 ** -24, 1e-4, 1e-2, 0.2];
/** Rounding is apart from what is left out: logits of a query in few limbs within 4e-6 sqrt(D) nats, provably, and a float32 sum within 64 half ulps. */
const LOGIT_ROUNDING_NATS = 4e-6;
const SUM_ROUNDING = 64 * 2 ** -24;

function randomStep(seed: number): { partition: PartitionRows; queries: StepQueries } {
  const random = seeded(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const dtype = pick(4) === 0 ? 'f32' : 'u8';
  const rows = 1 + pick(pick(3) === 0 ? 200 : 30);
  const shape = [1 + pick(3), 1 + pick(4), 1 + pick(4)] as const;
  const partition = generatePartition({ rows, shape, dtype, seed: seed + 1, classes: 2, ...(pick(5) === 0 ? { distinct: 1 + pick(5) } : {}) });
  const level = (low: number, high: number): number[] => Array.from({ length: BATCH }, () => low * (high / low) ** random());
  const labels = pick(4) === 0 ? { labels: Array.from({ length: BATCH }, () => pick(3) - 1) } : {};
  const temperature = 0.5 + random();
  const generated = generateQueries(partition, {
    batch: BATCH,
    seed: seed + 2,
    alpha: level(0.02, 1),
    sigma: level(0.003, 10),
    temperature,
    ...labels,
  });
  return { partition, queries: { ...generated, massTolerance: TOLERANCES[seed % TOLERANCES.length]! } };
}

for (const isa of isas.length === 0 ? (['avx512'] as const) : isas)
  test(`${isa}: the bound holds for ${QUERIES_MIN} random queries, for the mass and for each weighted sum`, { skip }, async (t) => {
    const backend = nativeBackend(isa);
    let checked = 0;
    let leftOut = 0;
    let largest = 0;
    let tightest = 0;
    try {
      for (let seed = 1; checked < QUERIES_MIN; seed++) {
        const { partition, queries } = randomStep(seed);
        const D = queries.x.length / BATCH;
        await backend.load(partition);
        const step = backend.openStep(queries);
        const scalars = await step.scalars(0, {});
        const sums = await step.sums(0, {}, scalars, 2 ** -40, false);
        step.close();
        await backend.unload(partition);
        const oracle = new Oracle(partition, queries);
        for (let b = 0; b < BATCH; b++) {
          const rows = oracle.eligible(b, {});
          if (rows.length === 0) {
            assert.deepEqual([scalars.mass[b], sums.skippedShare[b]], [0, 0]);
            continue;
          }
          checked++;
          const want = oracle.scalars(b, rows);
          const rounding = 1e-12 + 2 * LOGIT_ROUNDING_NATS * Math.sqrt(D);
          const bound = sums.skippedShare[b]!;
          const where = `seed ${seed} query ${b}, n=${rows.length} D=${D}`;
          const found = scalars.mass[b]! * Math.exp(scalars.maxLogit[b]! - want.maxLogit);
          const truth = 1 - found / want.mass;
          assert.ok(truth <= bound + rounding, `${truth} of the mass is left out but ${bound} is the bound, ${where}`);
          assert.ok(truth >= -rounding, `more mass than there is: ${-truth}, ${where}`);
          assert.ok(bound <= 1, `a bound of ${bound}, ${where}`);
          // The bound says what may be gone; what the tolerance allows is all that may go.
          assert.ok(truth <= queries.massTolerance! + rounding, `${truth} is left out where ${queries.massTolerance} is allowed, ${where}`);
          const row = sums.queries.indexOf(b);
          assert.ok(row >= 0, where);
          const exact = oracle.sums(b, rows);
          for (let p = 0; p < D; p++) {
            const error = Math.abs(sums.sums[row * D + p]! / scalars.mass[b]! - exact[p]! / want.mass);
            // SCIENCE section 5: at most tau times the range of the data, which is 2.
            assert.ok(error <= 2 * bound + 2 * rounding + SUM_ROUNDING, `x0hat is off by ${error} with a bound of ${bound}, ${where} value ${p}`);
          }
          if (truth > 1e-6) {
            leftOut++;
            tightest = Math.max(tightest, truth / bound);
          }
          largest = Math.max(largest, truth);
        }
      }
    } finally {
      await backend.close();
    }
    t.diagnostic(
      `${checked} queries; ${leftOut} with more than 1e-6 left out, ${largest.toFixed(3)} at most; the truth came up to ${(tightest * 100).toFixed(1)}% of the bound`,
    );
    assert.ok(leftOut > checked / 100, 'a bound on nothing is no test');
  });
