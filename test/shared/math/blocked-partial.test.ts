import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  blockedBytes,
  blockedLeaf,
  blockedMean,
  decodeBlocked,
  encodeBlocked,
  mergeBlocked,
  type BlockedPartial,
} from '../../../shared/math/blocked-partial.js';
import { emptyGroupedPartial, mergeGrouped, type GroupedPartial } from '../../../shared/math/grouped-partial.js';
import { seeded } from '../../shard-worker/backends/generated-partition.js';

const B = 2;
const G = 2;
const D = 6;

interface Row {
  readonly logits: number[];
  readonly values: number[];
  /** query 1 has no use for the row */
  readonly skipped: boolean;
}

function randomRows(count: number, seed: number): Row[] {
  const random = seeded(seed);
  return Array.from({ length: count }, () => ({
    logits: Array.from({ length: B * G }, () => -20 * random()),
    values: Array.from({ length: D }, () => random() * 2 - 1),
    skipped: random() < 0.7,
  }));
}

const oneRow = ({ logits, values, skipped }: Row): GroupedPartial => {
  const out = emptyGroupedPartial(B, G, D);
  for (let b = 0; b < (skipped ? 1 : B); b++) {
    out.rows[b] = 1;
    for (let g = 0; g < G; g++) {
      const i = b * G + g;
      out.maxLogit[i] = out.minLogit[i] = logits[i]!;
      out.mass[i] = out.massSq[i] = 1;
    }
    out.sums.set(values, b * D);
  }
  return out;
};

/** Rows from .. to - 1 as a partition of them. */
function leafOf(rows: readonly Row[], from: number, to: number, blockRows: number): BlockedPartial {
  const blocks = new Map<number, GroupedPartial>();
  for (let i = from; i < to; i++) {
    const block = Math.floor(i / blockRows);
    const before = blocks.get(block);
    blocks.set(block, before ? mergeGrouped(before, oneRow(rows[i]!)) : oneRow(rows[i]!));
  }
  return blockedLeaf([...blocks].map(([block, partial]) => ({ block, partial })));
}

/** The definition, by plain loops. */
function plainMean(rows: readonly Row[], blockRows: number, b: number): { blocks: number; mean: number[] } {
  const answers: number[][] = [];
  for (let first = 0; first < rows.length; first += blockRows) {
    const block = rows.slice(first, first + blockRows).filter((row) => b === 0 || !row.skipped);
    if (block.length === 0) continue;
    answers.push(
      Array.from({ length: D }, (_, p) => {
        const weights = block.map((row) => Math.exp(row.logits[b * G + (p % G)]!));
        const mass = weights.reduce((sum, w) => sum + w, 0);
        return block.reduce((sum, row, i) => sum + (weights[i]! / mass) * row.values[p]!, 0);
      }),
    );
  }
  return { blocks: answers.length, mean: Array.from({ length: D }, (_, p) => answers.reduce((sum, own) => sum + own[p]!, 0) / answers.length) };
}

test('wherever partitions end, and in any grouping, it is the mean over blocks of the definition', () => {
  const cases = fc.record({
    count: fc.integer({ min: 1, max: 40 }),
    blockRows: fc.integer({ min: 1, max: 50 }),
    seed: fc.integer({ min: 1, max: 1000 }),
    ends: fc.array(fc.integer({ min: 1, max: 39 }), { maxLength: 6 }),
    leftFirst: fc.boolean(),
  });
  fc.assert(
    fc.property(cases, ({ count, blockRows, seed, ends, leftFirst }) => {
      const rows = randomRows(count, seed);
      const edges = [...new Set([0, ...ends.filter((end) => end < count), count])].sort((a, b) => a - b);
      const leaves = edges.slice(1).map((to, i) => leafOf(rows, edges[i]!, to, blockRows));
      const merged = leftFirst ? leaves.reduce((a, b) => mergeBlocked(a, b)) : leaves.reduceRight((b, a) => mergeBlocked(a, b));
      const { blocks, mean } = blockedMean(merged);
      assert.deepEqual([...merged.whole.rows], [count, rows.filter((row) => !row.skipped).length]);
      for (let b = 0; b < B; b++) {
        const want = plainMean(rows, blockRows, b);
        assert.equal(blocks[b], want.blocks);
        // Sums of a block are rounded to float32 at every merge.
        want.mean.forEach((value, p) => assert.ok(Math.abs(mean[b * D + p]! - value) < 1e-5 || want.blocks === 0));
      }
    }),
    { seed: 9, numRuns: 300 },
  );
});

test('one block of all rows is the softmax over them, blocks of one row their plain mean', () => {
  const rows = randomRows(9, 5);
  const one = leafOf(rows, 0, 9, 100);
  const { whole } = one;
  blockedMean(one).mean.forEach((value, i) => {
    const b = Math.floor(i / D);
    assert.equal(value, whole.sums[i]! / whole.mass[b * G + ((i % D) % G)]!);
  });
  const single = blockedMean(leafOf(rows, 0, 9, 1)).mean;
  for (let p = 0; p < D; p++) assert.ok(Math.abs(single[p]! - rows.reduce((sum, row) => sum + row.values[p]! / 9, 0)) < 1e-6);
});

test('bytes and back, with one open block and with two', () => {
  const rows = randomRows(12, 6);
  for (const blockRows of [100, 5, 2]) {
    const partial = leafOf(rows, 0, 12, blockRows);
    const bytes = encodeBlocked(partial);
    assert.equal(bytes.length, blockedBytes(B, G, D));
    assert.deepEqual(decodeBlocked(B, G, D, bytes), partial);
  }
  assert.throws(() => decodeBlocked(B, G, D, new Uint8Array(8)), /Invariant/);
});

test('blocks out of order, and a partition without one, are bugs', () => {
  const rows = randomRows(6, 7);
  assert.throws(() => mergeBlocked(leafOf(rows, 3, 6, 2), leafOf(rows, 0, 2, 2)), /Invariant/);
  assert.throws(() => blockedLeaf([]), /Invariant/);
});
