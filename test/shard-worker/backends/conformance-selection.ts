/** Which rows each stage lets pass, in which order: cuts, labels, candidates, ties. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StageCuts } from '../../../shard-worker/backends/backend.js';
import { checkScalars, cutAt, distanceScale, Largest, STAGES, withBackend } from './conformance-comparison.js';
import type { ConformanceSubject } from './conformance.js';
import { generatePartition, generateQueries } from './generated-partition.js';
import { Oracle } from './oracle.js';

export function selectionConformance(subject: ConformanceSubject): void {
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
}
