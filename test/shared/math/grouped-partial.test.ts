import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeGrouped,
  emptyGroupedPartial,
  encodeGrouped,
  groupedBytes,
  groupedMean,
  mergeGrouped,
  type GroupedPartial,
} from '../../../shared/math/grouped-partial.js';
import { seeded } from '../../shard-worker/backends/generated-partition.js';

const B = 2;
const G = 3;
const D = 6;
type Row = { readonly logits: number[]; readonly values: number[] };

/** Rows of logits [B G] and values [D]. */
function randomRows(count: number, seed: number, spread = 30): Row[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    logits: Array.from({ length: B * G }, () => -spread * random()),
    values: Array.from({ length: D }, () => random() * 2 - 1),
  }));
}

function partialOf(rows: readonly Row[]): GroupedPartial {
  const out = emptyGroupedPartial(B, G, D);
  out.rows.fill(rows.length);
  for (let i = 0; i < B * G; i++) {
    const logits = rows.map((row) => row.logits[i]!);
    const m = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    out.maxLogit[i] = m;
    out.minLogit[i] = logits.reduce((a, b) => Math.min(a, b), Infinity);
    out.mass[i] = logits.reduce((sum, l) => sum + Math.exp(l - m), 0);
    out.massSq[i] = logits.reduce((sum, l) => sum + Math.exp(2 * (l - m)), 0);
    const b = Math.floor(i / G);
    for (let p = i % G; p < D; p += G) out.sums[b * D + p] = rows.reduce((sum, row) => sum + Math.exp(row.logits[i]! - m) * row.values[p]!, 0);
  }
  return out;
}

function near(got: GroupedPartial, want: GroupedPartial): void {
  assert.deepEqual(got.rows, want.rows);
  assert.deepEqual(got.maxLogit, want.maxLogit);
  assert.deepEqual(got.minLogit, want.minLogit);
  for (const name of ['mass', 'massSq'] as const)
    got[name].forEach((value, i) => assert.ok(Math.abs(value - want[name][i]!) <= 1e-13 * want[name][i]!, `${name}[${i}]`));
  // Two roundings to float32 of sums of at most 40 weights of at most 1.
  got.sums.forEach((value, i) => assert.ok(Math.abs(value - want.sums[i]!) <= 40 * 2 ** -23, `sums[${i}]`));
}

test('a merge is the partial of the union, in any split', () => {
  const rows = randomRows(40, 3);
  for (const cut of [1, 7, 20, 39]) near(mergeGrouped(partialOf(rows.slice(0, cut)), partialOf(rows.slice(cut))), partialOf(rows));
});

test('the mean of each value is that of its weights', () => {
  const rows = randomRows(12, 6, 3);
  const mean = groupedMean(partialOf(rows));
  assert.equal(mean.length, B * D);
  mean.forEach((value, at) => {
    const p = at % D;
    const weights = rows.map(({ logits }) => Math.exp(logits[Math.floor(at / D) * G + (p % G)]!));
    const want = rows.reduce((sum, { values }, i) => sum + weights[i]! * values[p]!, 0) / weights.reduce((a, b) => a + b);
    // Sums of at most 12, rounded to float32.
    assert.ok(Math.abs(value - want) <= 12 * 2 ** -23, `${value} against ${want}`);
  });
});

test('the empty set changes no bit on either side, and two of it make no NaN', () => {
  const partial = partialOf(randomRows(9, 4));
  const empty = emptyGroupedPartial(B, G, D);
  assert.deepEqual(mergeGrouped(partial, empty), partial);
  assert.deepEqual(mergeGrouped(empty, partial), partial);
  assert.deepEqual(mergeGrouped(empty, empty), empty);
});

test('each value follows the maximum of its own group, where groups disagree about the better side', () => {
  const left = partialOf([{ logits: [0, -1000, -3, 0, 0, 0], values: [1, 1, 1, 1, 1, 1] }]);
  const right = partialOf([{ logits: [-1000, 0, -3, 0, 0, 0], values: [-1, -1, -1, -1, -1, -1] }]);
  assert.deepEqual([...mergeGrouped(left, right).sums.subarray(0, D)], [1, -1, 0, 1, -1, 0]);
});

test('bytes and back', () => {
  const partial = partialOf(randomRows(5, 6));
  const bytes = encodeGrouped(partial);
  assert.equal(bytes.length, groupedBytes(B, G, D));
  assert.deepEqual(decodeGrouped(partial.rows, G, D, bytes), partial);
  assert.throws(() => decodeGrouped(partial.rows, G, D, bytes.slice(1)), /Invariant/);
});
