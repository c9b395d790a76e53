/** The part of the suite for weights by groups of values, and for sums of products: what every whole backend passes. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Backend, PartitionRows, Precision, StageCuts, StepPrecision, StepQueries } from '../../../shard-worker/backends/backend.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import { packedLength } from '../../../shared/math/moment-sums.js';
import { makeSupportSet } from '../../../shared/math/support-set.js';
import { plainWindows } from '../../support/grouped-oracle.js';
import { generatePartition, generateQueries, pickQueries, seeded } from './generated-partition.js';
import { Oracle } from './oracle.js';

export interface GroupsSubject {
  readonly name: string;
  create(options: { computeThreads: number; deviceMemoryBytes?: number }): Backend;
  readonly tolerance: Tolerance;
}

/** A logit may be off by nats + relative |logit|; two of them and `weights` is what a mass may be off by, relative to itself. */
interface Tolerance {
  readonly nats: number;
  readonly relative: number;
  readonly weights: number;
}

const SHAPE = [2, 5, 6] as const;
const D = 60;

interface Kind {
  readonly precision: Precision;
  /** [G] */
  readonly voters: readonly number[][];
}

function windowKind(side: number): Kind {
  return { precision: { kind: 'window', side }, voters: plainWindows(SHAPE, side) };
}

function supportKind(seed: number, share: number): Kind {
  const random = seeded(seed);
  const voters = Array.from({ length: D }, (_, g) => Array.from({ length: D }, (_value, p) => p).filter(() => g !== 5 && random() < share));
  return { precision: { kind: 'supports', set: makeSupportSet(D, D, (p, g) => voters[g]!.includes(p)) }, voters };
}

function withKinds(queries: StepQueries, kinds: readonly Kind[]): StepQueries & { precision: StepPrecision } {
  const of = Uint32Array.from({ length: queries.batch }, (_, b) => b % kinds.length);
  return { ...queries, precision: { groups: kinds[0]!.voters.length, kinds: kinds.map(({ precision }) => precision), of } };
}

function queriesOf(partition: PartitionRows, labels?: number[]): StepQueries {
  return generateQueries(partition, {
    batch: 4,
    seed: 21,
    alpha: [0.1, 0.7, 1, 0.99],
    sigma: [1, 0.7, 40, 0.05],
    temperature: 1.5,
    ...(labels && { labels }),
  });
}

/** What the partial of query b should be, by plain loops over the rows given. */
function check(
  got: GroupedPartial,
  partition: PartitionRows,
  queries: StepQueries,
  kinds: readonly Kind[],
  rowsOf: (b: number) => number[],
  { nats, relative, weights }: Tolerance,
): void {
  const y = (i: number, p: number): number => {
    const stored = partition.values[i * D + p]!;
    return partition.values instanceof Uint8Array ? stored / 127.5 - 1 : stored;
  };
  for (let b = 0; b < queries.batch; b++) {
    const rows = rowsOf(b);
    assert.equal(got.rows[b], rows.length);
    const { voters } = kinds[b % kinds.length]!;
    const G = voters.length;
    voters.forEach((own, g) => {
      const i = b * G + g;
      const logits = rows.map((row) => {
        const distance = own.reduce((sum, p) => sum + (queries.x[b * D + p]! - queries.alpha[b]! * y(row, p)) ** 2, 0);
        return 0 - distance / (2 * queries.sigma[b]! ** 2 * queries.temperature);
      });
      const max = logits.reduce((m, l) => Math.max(m, l), -Infinity);
      const off = (logit: number): number => nats + relative * Math.abs(logit);
      const near = (value: number, want: number, allowed: number, what: string): void =>
        assert.ok(value === want || Math.abs(value - want) <= allowed, `${what} of ${b}, ${g}: ${value} against ${want}`);
      near(got.maxLogit[i]!, max, off(max), 'largest logit');
      const min = logits.reduce((m, l) => Math.min(m, l), Infinity);
      near(got.minLogit[i]!, min, off(min), 'least logit');
      const share = rows.length === 0 ? 0 : 2 * off(max) + weights;
      const mass = logits.reduce((sum, l) => sum + Math.exp(l - max), 0);
      near(got.mass[i]!, mass, share * mass, 'mass');
      const massSq = logits.reduce((sum, l) => sum + Math.exp(2 * (l - max)), 0);
      near(got.massSq[i]!, massSq, 2 * share * massSq, 'squared mass');
      for (let p = g; p < D; p += G) {
        const want = rows.reduce((sum, row, k) => sum + Math.exp(logits[k]! - max) * y(row, p), 0);
        assert.ok(
          Math.abs(got.sums[b * D + p]! - want) <= (2 ** -23 + share) * Math.max(1, mass),
          `sum of ${b}, ${p}: ${got.sums[b * D + p]} against ${want}`,
        );
      }
    });
  }
}

async function groupsOf(backend: Backend, partition: number, queries: StepQueries, cuts: StageCuts = {}): Promise<GroupedPartial> {
  const step = backend.openStep(queries);
  try {
    return await step.groups(partition, cuts);
  } finally {
    step.close();
  }
}

export function groupsConformance(subject: GroupsSubject): void {
  describe(`${subject.name}: groups and moments`, () => {
    const families: [string, Kind[]][] = [
      ['windows', [windowKind(3), windowKind(1), windowKind(9)]],
      ['supports', [supportKind(1, 0.3), supportKind(2, 0.02)]],
    ];
    for (const dtype of ['u8', 'f32'] as const)
      for (const [name, kinds] of families)
        test(`${name} over ${dtype} rows are those of the definition, with labels, and each query's its own bits`, async () => {
          const backend = subject.create({ computeThreads: 2 });
          try {
            for (const rows of [0, 1, 16, 17, 130]) {
              const partition = generatePartition({ rows, shape: SHAPE, dtype, seed: rows + 3, classes: 2, partition: rows });
              await backend.load(partition);
              for (const labels of [undefined, [0, -1, 1, 7]]) {
                const queries = withKinds(queriesOf(partition, labels), kinds);
                const oracle = new Oracle(partition, queries);
                const got = await groupsOf(backend, rows, queries);
                check(got, partition, queries, kinds, (b) => oracle.eligible(b, {}), subject.tolerance);
                const alone = await groupsOf(backend, rows, {
                  ...pickQueries(queries, [3]),
                  precision: { ...queries.precision, of: queries.precision.of.slice(3) },
                });
                const G = kinds[0]!.voters.length;
                assert.deepEqual(alone.mass, got.mass.slice(3 * G));
                assert.deepEqual(alone.sums, got.sums.slice(3 * D));
              }
            }
          } finally {
            await backend.close();
          }
        });

    test('after the cuts of a golden search the rows are those that its screens ranked', async () => {
      const kinds = [supportKind(4, 0.2)];
      const partition = generatePartition({ rows: 150, shape: SHAPE, dtype: 'u8', seed: 8, distinct: 60 });
      const queries = withKinds(queriesOf(partition), kinds);
      const backend = subject.create({ computeThreads: 1 });
      try {
        await backend.load(partition);
        const step = backend.openStep(queries);
        const window = (firstRank: number) => ({ kind: 'windows', windows: [0, 1, 2, 3].map((query) => ({ query, firstRank, count: 1 })) }) as const;
        const proxy = await step.screen(0, 'proxy', {}, window(79));
        const cuts: StageCuts = { proxy: { key: proxy.keys, rowId: proxy.rowIds } };
        const full = await step.screen(0, 'full', cuts, window(29));
        const all: StageCuts = { ...cuts, full: { key: full.keys, rowId: full.rowIds } };
        const got = await step.groups(0, all);
        assert.deepEqual([...got.rows], [30, 30, 30, 30]);
        const own = await Promise.all(
          [0, 1, 2, 3].map(async (query) => {
            const part = await step.screen(0, 'full', cuts, { kind: 'windows', windows: [{ query, firstRank: 0, count: 30 }] });
            const ids = new Set(part.rowIds);
            return [...partition.rowIds.keys()].filter((i) => ids.has(partition.rowIds[i]!));
          }),
        );
        check(got, partition, queries, kinds, (b) => own[b]!, subject.tolerance);
        step.close();
      } finally {
        await backend.close();
      }
    });

    test('a closed step, a partition that is not held and an open one that is let go fail as they say', async () => {
      const partition = generatePartition({ rows: 20_000, shape: SHAPE, dtype: 'u8', seed: 8 });
      const queries = withKinds(queriesOf(partition), [supportKind(4, 0.5)]);
      const backend = subject.create({ computeThreads: 1 });
      try {
        await backend.load(partition);
        const step = backend.openStep(queries);
        const pending = step.groups(0, {});
        // At once: an engine may be done in some milliseconds.
        step.close();
        await assert.rejects(pending, { code: 'CANCELLED' });
        await assert.rejects(groupsOf(backend, 9, queries), { code: 'PARTITION_MISSING' });
        await assert.rejects(backend.moments({ dataSet: 'generated', partition: 9 }, -1), { code: 'PARTITION_MISSING' });
        await backend.unload(partition);
        await assert.rejects(groupsOf(backend, 0, queries), { code: 'PARTITION_MISSING' });
      } finally {
        await backend.close();
      }
    });

    test('moments are sums over the rows of the label, and a partition that comes later is served too', async () => {
      const backend = subject.create({ computeThreads: 2 });
      try {
        for (const [id, dtype] of [
          [0, 'u8'],
          [1, 'f32'],
          [2, 'u8'],
        ] as const) {
          const partition = generatePartition({ rows: 200, shape: SHAPE, dtype, seed: id, classes: 2, partition: id });
          await backend.load(partition);
          for (const label of [-1, 1]) {
            const rows = Array.from({ length: 200 }, (_, i) => i).filter((i) => label === -1 || partition.labels[i] === label);
            const got = await backend.moments(partition, label);
            assert.equal(got.rows, rows.length);
            for (const [p, q] of [
              [0, 0],
              [D - 1, 3],
              [D - 1, D - 1],
            ] as const) {
              const want = rows.reduce((sum, i) => sum + partition.values[i * D + p]! * partition.values[i * D + q]!, 0);
              assert.ok(Math.abs(got.products[packedLength(p) + q]! - want) <= (dtype === 'u8' ? 0 : 1e-11));
            }
          }
          // Any step with groups starts what a backend keeps for them; the next partition comes after.
          await groupsOf(backend, id, withKinds(queriesOf(partition), [windowKind(3)]));
        }
      } finally {
        await backend.close();
      }
    });
  });
}
