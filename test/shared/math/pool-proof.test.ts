import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isProven, poolShares, UNKNOWN_RELEVANT, type PoolProofs } from '../../../shared/math/pool-proof.js';

interface Row {
  readonly key: number;
  readonly matters: boolean;
}

const rowArb = fc.record({ key: fc.integer({ min: 0, max: 40 }), matters: fc.boolean() });
const pointArb = fc.record({ bound: fc.integer({ min: -2, max: 44 }), slack: fc.integer({ min: 0, max: 3 }) });

/** What a partition that saw the rows below `unseen` could truthfully say, with points that are as loose as their slack. */
function proofOf(rows: readonly Row[], points: readonly { bound: number; slack: number }[], unseen: number): PoolProofs {
  const mattering = rows.filter(({ key, matters }) => matters && key < unseen);
  const sorted = [...points].sort((a, b) => a.bound - b.bound);
  return {
    eligible: [rows.length],
    relevant: [mattering.length],
    relevantKey: [Math.max(-Infinity, ...mattering.map(({ key }) => key))],
    unseenKey: [unseen],
    rank: sorted.map(({ bound }) => rows.filter(({ key }) => key < bound).length),
    least: sorted.map(({ bound, slack }) => bound - slack),
    most: sorted.map(({ bound, slack }) => bound + slack),
  };
}

test('what is proven is true: the rows that matter are in the pool and in the subset, and none of the pool was left out unseen', () => {
  let proven = 0;
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(
          fc.array(rowArb, { maxLength: 30 }),
          fc.array(pointArb, { minLength: 4, maxLength: 4 }),
          fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 45 })),
        ),
        { minLength: 1, maxLength: 4 },
      ),
      fc.integer({ min: 1, max: 60 }),
      fc.integer({ min: 1, max: 30 }),
      (partitions, pool, subset) => {
        const proofs = partitions.map(([rows, points, unseen]) => proofOf(rows, points, unseen));
        if (!isProven(proofs, { presample: [Infinity], pool: [pool], subset: [subset] }, 0)) return;
        proven++;
        const all = partitions.flatMap(([rows, , unseen]) => rows.map((row) => ({ ...row, seen: row.key < unseen })));
        const inPool = all.sort((a, b) => a.key - b.key).slice(0, pool);
        const last = inPool.at(-1)?.key ?? Infinity;
        const matter = all.filter(({ matters, seen }) => matters && seen);
        assert.ok(matter.length <= subset, 'they fit in the subset');
        // Whatever decides between equal keys: rows up to a key are all inside or the pool is larger than they are.
        for (const { key } of matter) assert.ok(key < last || all.filter((row) => row.key <= key).length <= pool, 'they are in the pool');
        for (const row of all) if (!row.seen) assert.ok(all.length <= pool ? false : row.key >= last, 'what was not seen is not in the pool');
      },
    ),
    { numRuns: 20_000, seed: 5 },
  );
  assert.ok(proven > 500, `${proven} proofs are enough to trust in them`);
});

test('a partition that does not know proves nothing', () => {
  const known = proofOf([{ key: 1, matters: true }], [{ bound: 5, slack: 0 }], Infinity);
  const sizes = { presample: [10], pool: [9], subset: [3] };
  assert.equal(isProven([known], sizes, 0), true);
  assert.equal(isProven([known, { ...known, relevant: [UNKNOWN_RELEVANT] }], sizes, 0), false);
});

test('a proof is asked for where the pool is some times the subset, of all rows', () => {
  const eligible = [100, 100, 100, 50];
  const shares = poolShares({ presample: [100, 100, 60, 100], pool: [60, 59, 60, 60], subset: [20, 20, 20, 20] }, eligible);
  assert.deepEqual([...shares], [0.6, 0, 0, 1], 'a pool too small, a pre-sample of some rows, a pool of more than there are');
});
