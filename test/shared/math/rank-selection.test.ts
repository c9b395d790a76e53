import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RankSearch, rankWindow, type RankWindow, type ScreenKeys } from '../../../shared/math/rank-selection.js';

interface Row {
  key: number;
  id: number;
}
const before = (a: Row, b: Row): number => a.key - b.key || a.id - b.id;

/** A partition's side, brute force: the rows of the given ranks. */
function answer(partition: number, rowsOfQuery: Row[][], windows: readonly { query: number; firstRank: number; count: number }[]): ScreenKeys {
  const rows = windows.flatMap((w) => [...rowsOfQuery[w.query]!].sort(before).slice(w.firstRank, w.firstRank + w.count));
  return {
    partition,
    queries: windows.map((w) => w.query),
    eligible: windows.map((w) => rowsOfQuery[w.query]!.length),
    firstRank: windows.map((w) => w.firstRank),
    count: windows.map((w) => w.count),
    keys: Float64Array.from(rows, (r) => r.key),
    rowIds: Uint32Array.from(rows, (r) => r.id),
  };
}

/** partitions[p][query] -> rows. Returns the cut and the rounds it took. */
function search(partitions: Row[][][], wanted: number[]): { cut: { key: Float64Array; rowId: Uint32Array }; rounds: number } {
  const eligible = wanted.map((_, b) => partitions.reduce((n, p) => n + p[b]!.length, 0));
  const s = new RankSearch(Float64Array.from(wanted), Float64Array.from(eligible));
  partitions.forEach((rows, p) => {
    s.add(
      answer(
        p,
        rows,
        wanted.map((_, b) => ({ query: b, ...rankWindow(s.fractions[b]!, rows[b]!.length) })),
      ),
    );
  });
  let rounds = 1;
  for (let windows: RankWindow[] = s.next(); windows.length > 0; windows = s.next()) {
    rounds++;
    for (const p of new Set(windows.map((w) => w.partition))) {
      s.add(
        answer(
          p,
          partitions[p]!,
          windows.filter((w) => w.partition === p),
        ),
      );
    }
  }
  return { cut: s.cut(), rounds };
}

function inside(rows: Row[], key: number, id: number): number[] {
  return rows.filter((r) => r.key < key || (r.key === key && r.id <= id)).map((r) => r.id);
}

test('the rows inside the cut are the brute-force top k, with ties, for any split', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ key: fc.oneof(fc.nat(4), fc.double({ min: 0, max: 10, noNaN: true })), home: fc.nat(6) }), {
        minLength: 1,
        maxLength: 300,
      }),
      fc.double({ min: 0.001, max: 1.2, noNaN: true }),
      (spec, share) => {
        const rows = spec.map((r, id) => ({ key: r.key, id, home: r.home }));
        const wanted = Math.max(1, Math.round(share * rows.length));
        const partitions = Array.from({ length: 7 }, (_, p) => [rows.filter((r) => r.home === p)]);
        const { cut } = search(partitions, [wanted]);
        const want = [...rows]
          .sort(before)
          .slice(0, wanted)
          .map((r) => r.id);
        assert.deepEqual(new Set(inside(rows, cut.key[0]!, cut.rowId[0]!)), new Set(want));
      },
    ),
    { numRuns: 400, seed: 99 },
  );
});

test('shuffled rows need one round, sorted rows a few, and both give the same cut', (t) => {
  const n = 16_000;
  const P = 16;
  const keyed = Array.from({ length: n }, (_, i) => ({ key: ((i * 7919) % n) / n, id: i }));
  const wanted = [1, 40, 1600, 15_999];
  const shuffled = Array.from({ length: P }, (_, p) => wanted.map(() => keyed.filter((r) => r.id % P === p)));
  const order = [...keyed].sort(before);
  const sorted = Array.from({ length: P }, (_, p) => wanted.map(() => order.slice((p * n) / P, ((p + 1) * n) / P)));
  const one = search(shuffled, wanted);
  const other = search(sorted, wanted);
  t.diagnostic(`rounds: shuffled ${one.rounds}, sorted ${other.rounds}`);
  assert.equal(one.rounds, 1);
  assert.ok(other.rounds > 1);
  assert.deepEqual(one.cut, other.cut);
  wanted.forEach((k, b) => assert.equal(one.cut.key[b], order[k - 1]!.key));
});

test('all rows equal: the cut goes by row id', () => {
  const partitions = [0, 1, 2].map((p) => [Array.from({ length: 500 }, (_, i) => ({ key: 4, id: i * 3 + p }))]);
  const { cut } = search(partitions, [777]);
  assert.deepEqual([cut.key[0], cut.rowId[0]], [4, 776]);
});

test('as many rows as are eligible, or more, let all pass without a round', () => {
  const s = new RankSearch(Float64Array.of(5, 9), Float64Array.of(5, 5));
  assert.ok(s.trivial);
  assert.deepEqual(s.next(), []);
  assert.deepEqual(s.cut(), { key: Float64Array.of(Infinity, Infinity), rowId: Uint32Array.of(0xffffffff, 0xffffffff) });
});

test('a window lies within the partition and is empty only where nothing is wanted', () => {
  fc.assert(
    fc.property(fc.double({ min: 1e-9, max: 1, noNaN: true }), fc.integer({ min: 1, max: 1_000_000 }), (f, n) => {
      const w = rankWindow(f, n);
      assert.ok(w.firstRank >= 0 && w.count >= 1 && w.firstRank + w.count <= n, JSON.stringify(w));
    }),
  );
  assert.equal(rankWindow(0, 10).count, 0);
  assert.equal(rankWindow(0.5, 0).count, 0);
});

test('a gap between windows is a bug that stops the search', () => {
  const s = new RankSearch(Float64Array.of(5), Float64Array.of(100));
  const part = (firstRank: number): ScreenKeys => ({
    partition: 0,
    queries: [0],
    eligible: [100],
    firstRank: [firstRank],
    count: [1],
    keys: Float64Array.of(1),
    rowIds: Uint32Array.of(1),
  });
  s.add(part(3));
  assert.throws(() => s.add(part(9)), /Invariant broken/);
});
