/**
 * The suite that every backend passes. It compares with the oracle within the backend's tolerances, and with the backend itself bit for bit where
 * the contract says that an answer does not depend on something.
 */

import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import type {
  Backend,
  Cut,
  PartitionRows,
  PartitionScreen,
  PartitionSums,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../../../shard-worker/backends/backend.js';
import type { GolddiffError } from '../../../shared/errors.js';
import { HISTOGRAM_BINS, SKIPPED_SHARE_QUANTUM } from '../../../shared/limits.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import { generatePartition, generateQueries, pickQueries } from './generated-partition.js';
import { Oracle } from './oracle.js';

export interface ConformanceSubject {
  readonly name: string;
  readonly threadCounts: readonly number[];
  create(options: { computeThreads: number; deviceMemoryBytes?: number; stepStateBytesMax?: number }): Backend;
  readonly tolerances: ConformanceTolerances;
  /** beside those that every backend is tried with */
  readonly shapes?: readonly (readonly [number, number, number])[];
  readonly rows?: readonly number[];
  /** from the start of a long request to its cancelling: short of the request's end; 20 where nothing is said */
  readonly closeAfterMs?: number;
}

export interface ConformanceTolerances {
  /** of a squared distance, relative to |x|^2 + |a y|^2 */
  readonly distance: number;
  /** of mass and massSq, relative, per nat of the largest logit's size; the error of a distance enters the exponent */
  readonly mass: number;
  /** of a weighted sum, absolute, relative to the mass: half an ulp of float32 and what comes before it */
  readonly sums: number;
  /** of a logit, absolute, in nats, beside what `distance` gives; 0 where nothing is said */
  readonly logit?: number;
  /** share of the mass that may be missing from mass and sums, counted in skippedShare; 0 where nothing is said */
  readonly leftOut?: number;
  /** of a distance between float proxies; as `distance` where nothing is said */
  readonly floatProxy?: number;
  /** of the mass of a histogram against the whole, relative; 1e-12 where nothing is said: sums of doubles in two orders */
  readonly histogram?: number;
}

const SHAPES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [3, 1, 1],
  [1, 7, 7],
  [1, 28, 28],
];
const ROWS = [0, 1, 7, 8, 9, 101, 700];
const STAGES: readonly ScreenStage[] = ['presample', 'proxy', 'full'];

async function withBackend(backend: Backend, use: (backend: Backend) => Promise<void>): Promise<void> {
  try {
    await use(backend);
  } finally {
    await backend.close();
  }
}

/** Cut after the `rank`-th row of each query by the backend's own keys. */
async function cutAt(
  backend: Backend,
  partition: PartitionRows,
  queries: StepQueries,
  stage: ScreenStage,
  cuts: StageCuts,
  share: number,
): Promise<Cut> {
  const step = backend.openStep(queries);
  const ones = { kind: 'fraction', fraction: new Float64Array(queries.batch).fill(1) } as const;
  const sizes = (await step.screen(partition.partition, stage, cuts, ones)).eligible;
  const windows = [...sizes].flatMap((n, query) => (n === 0 ? [] : [{ query, firstRank: Math.floor((n - 1) * share), count: 1 }]));
  const part = await step.screen(partition.partition, stage, cuts, { kind: 'windows', windows });
  step.close();
  const cut = { key: new Float64Array(queries.batch).fill(Infinity), rowId: new Uint32Array(queries.batch) };
  part.queries.forEach((query, k) => {
    cut.key[query] = part.keys[k]!;
    cut.rowId[query] = part.rowIds[k]!;
  });
  return cut;
}

class Largest {
  readonly #values = new Map<string, number>();
  see(what: string, error: number, bound: number, where: string): void {
    assert.ok(error <= bound, `${what} is off by ${error} where ${bound} is allowed, at ${where}`);
    this.#values.set(what, Math.max(this.#values.get(what) ?? 0, error / bound));
  }
  report(t: TestContext): void {
    for (const [what, share] of this.#values) t.diagnostic(`${what}: largest error ${(share * 100).toFixed(1)}% of the tolerance`);
  }
}

function checkScalars(
  largest: Largest,
  subject: ConformanceSubject,
  oracle: Oracle,
  queries: StepQueries,
  partition: PartitionRows,
  rowsOf: (b: number) => number[],
  got: { maxLogit: Float64Array; mass: Float64Array; massSq: Float64Array; rows: Float64Array },
  where: string,
): void {
  const D = queries.x.length / queries.batch;
  for (let b = 0; b < queries.batch; b++) {
    const rows = rowsOf(b);
    const want = oracle.scalars(b, rows);
    assert.equal(got.rows[b], want.rows, where);
    if (rows.length === 0) {
      assert.deepEqual([got.maxLogit[b], got.mass[b], got.massSq[b]], [-Infinity, 0, 0], where);
      continue;
    }
    const nats = distanceScale(queries, b, D) / (2 * queries.sigma[b]! ** 2 * queries.temperature);
    const { logit = 0, leftOut = 0 } = subject.tolerances;
    largest.see('maxLogit', Math.abs(got.maxLogit[b]! - want.maxLogit), nats * subject.tolerances.distance + logit + 1e-300, where);
    const massBound = 1e-13 + nats * subject.tolerances.mass + 2 * logit + leftOut;
    largest.see('mass', Math.abs(got.mass[b]! - want.mass) / want.mass, massBound, where);
    largest.see('massSq', Math.abs(got.massSq[b]! - want.massSq) / want.massSq, massBound * 2, where);
  }
}

/** |x|^2 + max |a y|^2: what the rounding of a distance is relative to. */
function distanceScale(queries: StepQueries, b: number, D: number): number {
  return queries.x.subarray(b * D, (b + 1) * D).reduce((sum, v) => sum + v * v, 0) + queries.alpha[b]! ** 2 * D;
}

interface Answer {
  readonly proxy: PartitionScreen;
  readonly full: PartitionScreen;
  readonly scalars: PosteriorScalars;
  readonly sums: PartitionSums;
}

export function backendConformance(subject: ConformanceSubject): void {
  describe(`${subject.name} backend`, () => {
    test('scalars and sums agree with the oracle for every number of rows, row length and kind of row', async (t) => {
      const largest = new Largest();
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        let id = 0;
        for (const dtype of ['u8', 'f32'] as const)
          for (const shape of [...SHAPES, ...(subject.shapes ?? [])])
            for (const rows of [...ROWS, ...(subject.rows ?? [])]) {
              if (rows > 200 && shape[1] >= 28 && dtype === 'f32') continue;
              const D = shape[0] * shape[1] * shape[2];
              const partition = generatePartition({ partition: id++, rows, shape, dtype, seed: rows * 31 + D });
              await backend.load(partition);
              const queries = generateQueries(partition, { batch: 5, seed: rows + D, alpha: [1, 0.9, 0.9, 0.3, 1], sigma: [0.01, 0.3, 1, 5, 80] });
              const where = `${dtype} n=${rows} D=${D}`;
              const oracle = new Oracle(partition, queries);
              const step = backend.openStep(queries);
              const scalars = await step.scalars(partition.partition, {});
              const all = Array.from({ length: rows }, (_, i) => i);
              checkScalars(largest, subject, oracle, queries, partition, () => all, scalars, where);
              const sums = await step.sums(partition.partition, {}, scalars, 2 ** -40, false);
              assert.deepEqual([...sums.queries], rows === 0 ? [] : [0, 1, 2, 3, 4]);
              sums.queries.forEach((b, k) => {
                const want = oracle.sums(b, all);
                const nats = distanceScale(queries, b, D) / (2 * queries.sigma[b]! ** 2);
                for (let p = 0; p < D; p++) {
                  const error = Math.abs(sums.sums[k * D + p]! - want[p]!) / scalars.mass[b]!;
                  largest.see(
                    'sums',
                    error,
                    subject.tolerances.sums + nats * subject.tolerances.mass + (subject.tolerances.leftOut ?? 0),
                    `${where} query ${b}`,
                  );
                }
              });
              step.close();
            }
      });
      largest.report(t);
    });

    for (const dtype of ['u8', 'f32'] as const)
      test(`every stage ranks ${dtype} rows by (key, row id) inside the cuts before it, with and without labels`, async (t) => {
        const largest = new Largest();
        await withBackend(subject.create({ computeThreads: 2 }), async (backend) => {
          const partition = generatePartition({ partition: 3, rows: 211, shape: [1, 4, 6], dtype, seed: 5, classes: 3 });
          await backend.load(partition);
          for (const labels of [undefined, [0, -1, 2, 77]]) {
            const queries = generateQueries(partition, {
              batch: 4,
              seed: 6,
              alpha: [1, 0.7, 0.7, 0.9],
              sigma: 0.8,
              proxyResolution: 2,
              ...(labels ? { labels } : {}),
            });
            const oracle = new Oracle(partition, queries);
            const step = backend.openStep(queries);
            const cuts: StageCuts = {};
            let inside = queries.alpha.reduce<number[][]>((rows, _, b) => [...rows, oracle.eligible(b, {})], []);
            for (const stage of STAGES) {
              const windows = inside.flatMap((rows, query) => (rows.length === 0 ? [] : [{ query, firstRank: 0, count: rows.length }]));
              const all = await step.screen(3, stage, cuts, { kind: 'windows', windows });
              let from = 0;
              const next = inside.map(() => [] as number[]);
              const cut = { key: new Float64Array(4).fill(Infinity), rowId: new Uint32Array(4) };
              all.queries.forEach((b, k) => {
                const want = oracle.ranked(stage, b, inside[b]!);
                assert.equal(all.eligible[k], want.length);
                const n = all.count[k]!;
                const ids = all.rowIds.subarray(from, from + n);
                const keys = all.keys.subarray(from, from + n);
                // Presample keys are exact; rounding may swap rows whose distances agree to the last bits, which random rows do not have.
                assert.deepEqual(
                  [...ids],
                  want.map((row) => row.rowId),
                  `${stage} of query ${b}`,
                );
                want.forEach((row, i) => {
                  const { distance, floatProxy = distance } = subject.tolerances;
                  const relative = stage === 'proxy' && dtype === 'f32' ? floatProxy : distance;
                  const bound = stage === 'presample' ? 1e-300 : distanceScale(queries, b, 24) * relative;
                  largest.see(`${stage} key`, Math.abs(keys[i]! - row.key), bound, `query ${b}`);
                });
                const rank = Math.floor(n * 0.6);
                cut.key[b] = keys[rank]!;
                cut.rowId[b] = ids[rank]!;
                const passing = new Set(ids.subarray(0, rank + 1));
                next[b] = inside[b]!.filter((i) => passing.has(partition.rowIds[i]!));
                from += n;
              });
              const fraction = await step.screen(3, stage, cuts, { kind: 'fraction', fraction: new Float64Array(4).fill(0.6) });
              assert.deepEqual([...fraction.queries], [0, 1, 2, 3]);
              let at = 0;
              fraction.queries.forEach((b, k) => {
                assert.equal(fraction.eligible[k], inside[b]!.length);
                const want = oracle.ranked(stage, b, inside[b]!).slice(fraction.firstRank[k], fraction.firstRank[k]! + fraction.count[k]!);
                assert.deepEqual(
                  [...fraction.rowIds.subarray(at, at + fraction.count[k]!)],
                  want.map((row) => row.rowId),
                );
                at += fraction.count[k]!;
              });
              cuts[stage] = cut;
              inside = next;
              const scalars = await step.scalars(3, cuts);
              checkScalars(largest, subject, oracle, queries, partition, (b) => inside[b]!, scalars, `after ${stage}`);
            }
            step.close();
          }
        });
        largest.report(t);
      });

    test('candidates are all that is eligible in a partition, narrowed by labels, and other partitions keep their rows', async (t) => {
      const largest = new Largest();
      await withBackend(subject.create({ computeThreads: 2 }), async (backend) => {
        const partition = generatePartition({ partition: 0, rows: 120, shape: [1, 4, 4], dtype: 'u8', seed: 8, classes: 2 });
        const other = generatePartition({ partition: 1, rows: 50, shape: [1, 4, 4], dtype: 'u8', seed: 9, classes: 2 });
        await backend.load(partition);
        await backend.load(other);
        const queries = generateQueries(partition, { batch: 4, seed: 2, alpha: 0.9, sigma: 0.7, labels: [-1, -1, 1, -1], proxyResolution: 2 });
        const oracle = new Oracle(partition, queries);
        const every = (stride: number): number[] => Array.from({ length: Math.ceil(120 / stride) }, (_, k) => k * stride);
        const lists = [every(3), undefined, every(2), []];
        const step = backend.openStep(queries);
        if (step.restrict === undefined) return step.close();
        step.restrict(
          0,
          lists.map((list) => list && Uint32Array.from(list)),
        );
        const rowsOf = (b: number): number[] => oracle.eligible(b, {}).filter((row) => lists[b]?.includes(row) ?? true);
        for (const stage of STAGES) {
          const windows = [0, 1, 2].map((query) => ({ query, firstRank: 0, count: rowsOf(query).length }));
          const screen = await step.screen(0, stage, {}, { kind: 'windows', windows });
          const want = windows.flatMap(({ query }) => oracle.ranked(stage, query, rowsOf(query)).map((row) => row.rowId));
          assert.deepEqual([...screen.rowIds], want, stage);
        }
        checkScalars(largest, subject, oracle, queries, partition, rowsOf, await step.scalars(0, {}), 'candidates');
        assert.deepEqual([...(await step.scalars(1, {})).rows].slice(0, 2), [50, 50]);
        const cut = { key: Float64Array.of(0.2, Infinity, Infinity, Infinity), rowId: new Uint32Array(4) };
        const after = (b: number): number[] => rowsOf(b).filter((row) => b > 0 || oracle.key('proxy', b, row) <= 0.2);
        checkScalars(largest, subject, oracle, queries, partition, after, await step.scalars(0, { proxy: cut }), 'a cut among candidates');
        step.close();
        return;
      });
      largest.report(t);
    });

    test('equal rows are told apart by row id alone', async () => {
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        const partition = generatePartition({ rows: 90, shape: [1, 4, 4], dtype: 'u8', seed: 9, distinct: 3 });
        await backend.load(partition);
        const queries = generateQueries(partition, { batch: 2, seed: 1, alpha: 1, sigma: 0.5, proxyResolution: 2 });
        for (const stage of ['proxy', 'full'] as const) {
          const step = backend.openStep(queries);
          for (const [firstRank, count] of [
            [0, 90],
            [10, 1],
            [29, 2],
            [31, 28],
            [89, 1],
          ] as const) {
            const part = await step.screen(0, stage, {}, { kind: 'windows', windows: [{ query: 1, firstRank, count }] });
            const oracle = new Oracle(partition, queries);
            const keys = Array.from({ length: 90 }, (_, i) => oracle.key(stage, 1, i));
            const idOf = (i: number): number => partition.rowIds[i]!;
            const order = Array.from(keys.keys())
              .sort((p, q) => keys[p]! - keys[q]! || idOf(p) - idOf(q))
              .map(idOf);
            assert.deepEqual([...part.rowIds], order.slice(firstRank, firstRank + count));
          }
          const cut = await cutAt(backend, partition, queries, stage, {}, 0.5);
          const scalars = await step.scalars(0, { [stage]: cut });
          assert.deepEqual([...scalars.rows], [45, 45], 'a cut inside a tie takes the rows with lower ids');
          step.close();
        }
      });
    });

    test('an answer does not depend on the number of threads, nor on the other queries of the batch, nor on kept state', async () => {
      const partitions = [0, 1, 2].map((partition) =>
        generatePartition({ partition, rows: 97, shape: [1, 14, 14], dtype: 'u8', seed: partition + 1, classes: 2 }),
      );
      const queries = generateQueries(partitions[0]!, {
        batch: 7,
        seed: 2,
        alpha: [1, 0.5, 0.5, 0.5, 0.9, 0.9, 1],
        sigma: [0.05, 0.3, 1, 3, 20, 80, 0.01],
        labels: [-1, 0, 1, -1, -1, 1, -1],
        proxyResolution: 7,
      });
      const answers = async (backend: Backend, asked: StepQueries, cutOf: (cut: Cut) => Cut): Promise<Answer[]> => {
        for (const partition of partitions) await backend.load(partition);
        const step = backend.openStep(asked);
        const found = await Promise.all(
          partitions.map(async ({ partition }) => {
            const cut = cutOf(proxyCuts[partition]!);
            const fraction = new Float64Array(asked.batch).fill(0.4);
            const proxy = await step.screen(partition, 'proxy', {}, { kind: 'fraction', fraction });
            const full = await step.screen(partition, 'full', { proxy: cut }, { kind: 'fraction', fraction });
            const scalars = await step.scalars(partition, { proxy: cut });
            const sums = await step.sums(partition, { proxy: cut }, scalars, 2 ** -40, true);
            return { proxy, full, scalars, sums };
          }),
        );
        step.close();
        return found;
      };
      const proxyCuts: Cut[] = [];
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        for (const partition of partitions) {
          await backend.load(partition);
          proxyCuts.push(await cutAt(backend, partition, queries, 'proxy', {}, 0.7));
        }
      });
      let first: Answer[] | undefined;
      for (const computeThreads of subject.threadCounts)
        for (const stepStateBytesMax of [2 ** 30, 0, 40_000])
          await withBackend(subject.create({ computeThreads, stepStateBytesMax }), async (backend) => {
            const found = await answers(backend, queries, (cut) => cut);
            first ??= found;
            assert.deepStrictEqual(found, first, `${computeThreads} threads, ${stepStateBytesMax} bytes of state`);
          });
      const D = 196;
      for (const b of [0, 3, 6]) {
        await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
          const only = (cut: Cut): Cut => ({ key: cut.key.slice(b, b + 1), rowId: cut.rowId.slice(b, b + 1) });
          const alone = await answers(backend, pickQueries(queries, [b]), only);
          first!.forEach((together, k) => {
            const one = alone[k]!;
            assert.equal(one.scalars.maxLogit[0], together.scalars.maxLogit[b]);
            assert.equal(one.scalars.mass[0], together.scalars.mass[b]);
            assert.equal(one.scalars.massSq[0], together.scalars.massSq[b]);
            const place = together.sums.queries.indexOf(b);
            assert.deepStrictEqual(one.sums.sums, together.sums.sums.slice(place * D, (place + 1) * D));
            const from = together.full.count.slice(0, b).reduce((sum, n) => sum + n, 0);
            assert.deepStrictEqual(one.full.keys, together.full.keys.slice(from, from + together.full.count[b]!));
          });
        });
      }
    });

    test('a partition with a negligible share sends no sum and says what it left out', async () => {
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        const partition = generatePartition({ rows: 50, shape: [1, 2, 2], dtype: 'u8', seed: 4 });
        await backend.load(partition);
        const queries = generateQueries(partition, { batch: 3, seed: 3, alpha: 1, sigma: [0.05, 1, 1] });
        const step = backend.openStep(queries);
        const own = await step.scalars(0, {});
        const global = { maxLogit: own.maxLogit.map((m, b) => (b === 1 ? m + 40 : m)), mass: own.mass.slice() };
        const sums = await step.sums(0, {}, global, 2 ** -40, true);
        assert.deepEqual([...sums.queries], [0, 2]);
        assert.ok(Math.abs(sums.skippedShare[1]! - Math.exp(-40)) < 1.01 * SKIPPED_SHARE_QUANTUM);
        assert.equal(sums.skippedShare[1]! % SKIPPED_SHARE_QUANTUM, 0);
        assert.equal(sums.skippedShare[2], 0, 'no row of a wide posterior is left out');
        const rows = sums.histogram!.rows.subarray(2 * HISTOGRAM_BINS, 3 * HISTOGRAM_BINS).reduce((sum, n) => sum + n, 0);
        const mass = sums.histogram!.mass.subarray(2 * HISTOGRAM_BINS, 3 * HISTOGRAM_BINS).reduce((sum, n) => sum + n, 0);
        assert.equal(rows, 50);
        assert.ok(Math.abs(mass / own.mass[2]! - 1) < (subject.tolerances.histogram ?? 1e-12), 'sums of 50 doubles in two orders');
        assert.equal(sums.histogram!.rows[2 * HISTOGRAM_BINS]! >= 1, true, 'the heaviest row is in the first bin');
        step.close();
      });
    });

    test('rows more than 60 nats below the global maximum are not added and bound the share left out', async () => {
      await withBackend(subject.create({ computeThreads: 1 }), async (backend) => {
        const partition = generatePartition({ rows: 300, shape: [1, 7, 7], dtype: 'u8', seed: 4 });
        await backend.load(partition);
        const queries = generateQueries(partition, { batch: 1, seed: 3, alpha: 1, sigma: 0.01 });
        const step = backend.openStep(queries);
        const own = await step.scalars(0, {});
        const sums = await step.sums(0, {}, own, 2 ** -40, false);
        const allowed = 300 * Math.exp(-60) + (subject.tolerances.leftOut ?? 0) + SKIPPED_SHARE_QUANTUM;
        assert.ok(sums.skippedShare[0]! > 0 && sums.skippedShare[0]! <= allowed, `${sums.skippedShare[0]} of ${allowed}`);
        assert.equal(own.mass[0], 1);
        step.close();
      });
    });

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
      await withBackend(subject.create({ computeThreads: 1, deviceMemoryBytes: 20_000 }), async (backend) => {
        await backend.load(generatePartition({ partition: 0, rows: 100, shape: [1, 10, 10], dtype: 'u8', seed: 1 }));
        const held = backend.residentBytes;
        assert.ok(held >= 100 * 100 + 800);
        const second = generatePartition({ partition: 1, rows: 100, shape: [1, 10, 10], dtype: 'u8', seed: 2 });
        await assert.rejects(
          backend.load(second),
          (error: GolddiffError) => error.code === 'LIMIT_EXCEEDED' && error.message.includes(`${20_000 - held} are free`),
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
  });
}
