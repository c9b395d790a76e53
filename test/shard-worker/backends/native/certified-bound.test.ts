/**
 * The bound on what was left out is never below the truth: 10,000 random queries and more over one to three partitions, with tolerances that make the
 * engine leave out a lot.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionRows, StepQueries } from '../../../../shard-worker/backends/backend.js';
import { mergeScalars, type PosteriorScalars } from '../../../../shared/math/partial-posterior.js';
import { generatePartition, generateQueries, seeded } from '../generated-partition.js';
import { Oracle } from '../oracle.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

const QUERIES_MIN = 10_000;
const BATCH = 64;
const TOLERANCES = [2 ** -24, 1e-4, 1e-2, 0.2];
const NEGLIGIBLE_SHARES = [2 ** -40, 1e-3];
/** Rounding is apart from what is left out: logits of a query in few limbs within 4e-6 sqrt(D) nats, provably, and a float32 sum within 64 half ulps. */
const LOGIT_ROUNDING_NATS = 4e-6;
const SUM_ROUNDING = 64 * 2 ** -24;

interface RandomStep {
  readonly partitions: readonly PartitionRows[];
  readonly queries: StepQueries;
  readonly negligibleShare: number;
}

function randomStep(seed: number): RandomStep {
  const random = seeded(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const dtype = pick(4) === 0 ? 'f32' : 'u8';
  const shape = [1 + pick(3), 1 + pick(4), 1 + pick(4)] as const;
  const repeated = pick(5) === 0 ? { distinct: 1 + pick(5) } : {};
  const partitions = Array.from({ length: 1 + pick(3) }, (_, partition) => {
    const rows = 1 + pick(pick(3) === 0 ? 200 : 30);
    return generatePartition({ partition, rows, shape, dtype, seed: seed * 5 + partition, classes: 2, ...repeated });
  });
  const level = (low: number, high: number): number[] => Array.from({ length: BATCH }, () => low * (high / low) ** random());
  const labels = pick(4) === 0 ? { labels: Array.from({ length: BATCH }, () => pick(3) - 1) } : {};
  const temperature = 0.5 + random();
  const queries = generateQueries(partitions[0]!, {
    batch: BATCH,
    seed: seed + 2,
    alpha: level(0.02, 1),
    sigma: level(0.003, 10),
    temperature,
    ...labels,
  });
  const massTolerance = TOLERANCES[seed % TOLERANCES.length]!;
  return { partitions, queries: { ...queries, massTolerance }, negligibleShare: NEGLIGIBLE_SHARES[pick(2)]! };
}

/** (m, S, Y) of the query's rows in all partitions, by the oracle. */
function truthOf(oracles: readonly Oracle[], b: number, D: number): { max: number; mass: number; mean: Float64Array } {
  const parts = oracles.map((oracle) => {
    const rows = oracle.eligible(b, {});
    return { scalars: oracle.scalars(b, rows), sums: rows.length === 0 ? new Float64Array(D) : oracle.sums(b, rows) };
  });
  const max = Math.max(...parts.map(({ scalars }) => scalars.maxLogit));
  const factor = (m: number): number => (m === -Infinity ? 0 : Math.exp(m - max));
  const mass = parts.reduce((sum, { scalars }) => sum + scalars.mass * factor(scalars.maxLogit), 0);
  const mean = new Float64Array(D).map((_, p) => parts.reduce((sum, { scalars, sums }) => sum + sums[p]! * factor(scalars.maxLogit), 0) / mass);
  return { max, mass, mean };
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
        const { partitions, queries, negligibleShare } = randomStep(seed);
        const D = queries.x.length / BATCH;
        for (const partition of partitions) await backend.load(partition);
        const step = backend.openStep(queries);
        const own: PosteriorScalars[] = [];
        for (const { partition } of partitions) own.push(await step.scalars(partition, {}));
        const global = own.reduce(mergeScalars);
        const sums = await Promise.all(partitions.map(({ partition }) => step.sums(partition, {}, global, negligibleShare, false)));
        step.close();
        for (const partition of partitions) await backend.unload(partition);
        const oracles = partitions.map((partition) => new Oracle(partition, queries));
        for (let b = 0; b < BATCH; b++) {
          if (global.rows[b] === 0) {
            assert.equal(global.mass[b], 0);
            assert.ok(sums.every(({ skippedShare }) => skippedShare[b] === 0));
            continue;
          }
          checked++;
          const want = truthOf(oracles, b, D);
          const rounding = 1e-12 + 2 * LOGIT_ROUNDING_NATS * Math.sqrt(D);
          const bound = sums.reduce((sum, { skippedShare }) => sum + skippedShare[b]!, 0);
          const where = `seed ${seed} query ${b}, ${partitions.map(({ rows }) => rows).join(' + ')} rows, D=${D}`;
          const truth = 1 - (global.mass[b]! * Math.exp(global.maxLogit[b]! - want.max)) / want.mass;
          assert.ok(truth <= bound + rounding, `${truth} of the mass is left out but ${bound} is the bound, ${where}`);
          assert.ok(truth >= -rounding, `more mass than there is: ${-truth}, ${where}`);
          // The bound says what may be gone; what the tolerance allows is all that may go.
          assert.ok(truth <= queries.massTolerance! + rounding, `${truth} is left out where ${queries.massTolerance} is allowed, ${where}`);
          const mean = new Float64Array(D);
          sums.forEach(({ queries: summed, sums: values }, k) => {
            const row = summed.indexOf(b);
            if (row < 0) return;
            const factor = Math.exp(own[k]!.maxLogit[b]! - global.maxLogit[b]!) / global.mass[b]!;
            for (let p = 0; p < D; p++) mean[p] = mean[p]! + values[row * D + p]! * factor;
          });
          for (let p = 0; p < D; p++) {
            const error = Math.abs(mean[p]! - want.mean[p]!);
            // SCIENCE section 5: at most tau times the range of the data, which is 2.
            assert.ok(error <= 2 * bound + 2 * rounding + SUM_ROUNDING, `x0hat is off by ${error} with a bound of ${bound}, ${where} value ${p}`);
            if (bound > 1e-6) tightest = Math.max(tightest, error / (2 * bound));
          }
          if (truth > 1e-6) leftOut++;
          largest = Math.max(largest, truth);
        }
      }
    } finally {
      await backend.close();
    }
    const seen = `${leftOut} with more than 1e-6 of the mass left out, ${largest.toExponential(1)} at most`;
    t.diagnostic(`${checked} queries; ${seen}; errors of x0hat came up to ${(tightest * 100).toFixed(1)}% of what the bound allows`);
    assert.ok(leftOut > checked / 100, 'a bound on nothing is no test');
  });
