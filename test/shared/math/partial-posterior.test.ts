import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  EMPTY_SUMS,
  emptyScalars,
  mergeScalars,
  mergeSums,
  rescale,
  type PosteriorScalars,
  type PosteriorSums,
} from '../../../shared/math/partial-posterior.js';
import { mergeUp, nodeKey } from '../../../shared/math/merge-tree.js';

const DIM = 3;
interface Row {
  logit: number;
  values: number[];
}
interface Part {
  scalars: PosteriorScalars;
  sums: PosteriorSums;
}

function partOf(rows: readonly Row[]): Part {
  const scalars = emptyScalars(1);
  const m = Math.max(-Infinity, ...rows.map((r) => r.logit));
  const y = new Float64Array(DIM);
  for (const row of rows) {
    const w = Math.exp(row.logit - m);
    scalars.mass[0]! += w;
    scalars.massSq[0]! += w * w;
    scalars.rows[0]! += 1;
    for (let p = 0; p < DIM; p++) y[p]! += w * row.values[p]!;
  }
  scalars.maxLogit[0] = m;
  return { scalars, sums: rows.length === 0 ? EMPTY_SUMS : { queries: Uint32Array.of(0), sums: Float32Array.from(y) } };
}

function merge(a: Part, b: Part): Part {
  return { scalars: mergeScalars(a.scalars, b.scalars), sums: mergeSums(a.sums, a.scalars.maxLogit, b.sums, b.scalars.maxLogit, DIM) };
}

const logit = fc.oneof(fc.double({ min: -1e6, max: 0, noNaN: true }), fc.double({ min: -5, max: 0, noNaN: true }), fc.constant(-1e6), fc.constant(0));
const row: fc.Arbitrary<Row> = fc.record({
  logit,
  values: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: DIM, maxLength: DIM }),
});

/** Relative rounding: one f32 rounding (2^-24) per merge on a path, at most 12 of them, on terms of magnitude up to S. */
const SUM_TOLERANCE = 12 * 2 ** -24;

test('any split in any order merges to the direct sums, without NaN', (t) => {
  let worstMass = 0;
  let worstMean = 0;
  fc.assert(
    fc.property(
      fc.array(row, { minLength: 1, maxLength: 60, size: 'max' }),
      fc.array(fc.nat(11), { minLength: 60, maxLength: 60 }),
      fc.infiniteStream(fc.nat()),
      (rows, home, dice) => {
        const parts: Part[] = Array.from({ length: 12 }, (_, p) => partOf(rows.filter((_, i) => home[i] === p)));
        while (parts.length > 1) {
          const a = parts.splice(Number(dice.next().value) % parts.length, 1)[0]!;
          const b = parts.splice(Number(dice.next().value) % parts.length, 1)[0]!;
          parts.push(merge(a, b));
        }
        const got = parts[0]!;
        const want = partOf(rows);
        assert.equal(got.scalars.maxLogit[0], want.scalars.maxLogit[0]);
        assert.equal(got.scalars.rows[0], rows.length);
        for (const field of ['mass', 'massSq'] as const) {
          const error = Math.abs(got.scalars[field][0]! - want.scalars[field][0]!) / want.scalars[field][0]!;
          worstMass = Math.max(worstMass, error);
          assert.ok(error < 1e-12, `${field} is off by ${error}`);
        }
        for (let p = 0; p < DIM; p++) {
          const exact = rows.reduce((sum, r) => sum + Math.exp(r.logit - want.scalars.maxLogit[0]!) * r.values[p]!, 0);
          const error = Math.abs(got.sums.sums[p]! - exact) / want.scalars.mass[0]!;
          worstMean = Math.max(worstMean, error);
          assert.ok(error <= SUM_TOLERANCE, `a mean is off by ${error}`);
        }
      },
    ),
    { numRuns: 500, seed: 2602 },
  );
  t.diagnostic(`worst relative error of mass ${worstMass.toExponential(2)}, of a mean ${worstMean.toExponential(2)}`);
});

test('the empty set is the identity to the bit, on both sides, and empty with empty is empty', () => {
  const some = partOf([
    { logit: -3.25, values: [0.1, 0.2, 0.3] },
    { logit: -1e6, values: [1, 1, 1] },
  ]);
  const none = partOf([]);
  for (const got of [merge(some, none), merge(none, some)]) assert.deepEqual(got, some);
  const empty = merge(none, none);
  assert.deepEqual([empty.scalars.maxLogit[0], empty.scalars.mass[0], empty.scalars.massSq[0], empty.sums.queries.length], [-Infinity, 0, 0, 0]);
});

test('equal rows share the weight: n copies have mass n and effective support n', () => {
  const copies = Array.from({ length: 7 }, () => partOf([{ logit: -12.5, values: [1, -1, 0.5] }]));
  const all = copies.reduce(merge);
  assert.equal(all.scalars.mass[0], 7);
  assert.equal(all.scalars.mass[0] ** 2 / all.scalars.massSq[0]!, 7);
  assert.deepEqual(
    [...all.sums.sums].map((v) => v / 7),
    [1, -1, 0.5],
  );
});

test('merging is commutative to the bit', () => {
  fc.assert(
    fc.property(fc.array(row, { maxLength: 8 }), fc.array(row, { maxLength: 8 }), (a, b) => {
      assert.deepEqual(merge(partOf(a), partOf(b)), merge(partOf(b), partOf(a)));
    }),
    { seed: 7 },
  );
});

test('a tree merged by any placement gives the same bits', () => {
  fc.assert(
    fc.property(fc.array(fc.array(row, { maxLength: 4 }), { minLength: 8, maxLength: 8 }), (leaves) => {
      const parts = leaves.map(partOf);
      const values = new Map(parts.map((p, i) => [nodeKey({ level: 0, index: i }), p] as const));
      const root = mergeUp(values, { level: 3, index: 0 }, merge);
      const halves = new Map([0, 1].map((i) => [nodeKey({ level: 2, index: i }), mergeUp(values, { level: 2, index: i }, merge)!] as const));
      assert.deepEqual(mergeUp(halves, { level: 3, index: 0 }, merge), root);
    }),
    { seed: 11, numRuns: 100 },
  );
});

test('sums that only one side sends are carried over, relative to the new maximum', () => {
  const left: PosteriorSums = { queries: Uint32Array.of(0, 2), sums: Float32Array.of(1, 2, 3, 4) };
  const right: PosteriorSums = { queries: Uint32Array.of(1, 2), sums: Float32Array.of(5, 6, 7, 8) };
  const leftMax = Float64Array.of(0, -1, -1);
  const rightMax = Float64Array.of(1, 0, -1);
  const merged = mergeSums(left, leftMax, right, rightMax, 2);
  assert.deepEqual([...merged.queries], [0, 1, 2]);
  const e = Math.exp(-1);
  assert.deepEqual(
    [...merged.sums],
    [Math.fround(1 * e), Math.fround(2 * e), 5, 6, 11, 13].map(Math.fround).map((v, i) => (i < 4 ? v : [3 + 7, 4 + 8][i - 4]!)),
  );
});

test('rescaling from the empty set gives 0 and never NaN', () => {
  assert.equal(rescale(-Infinity, -Infinity), 0);
  assert.equal(rescale(-Infinity, 3), 0);
  assert.equal(rescale(-1e6, 0), 0);
  assert.equal(rescale(2, 2), 1);
});
