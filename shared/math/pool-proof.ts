/**
 * Golden steps whose cuts need not be found. Near the data few rows matter; where all of them are surely in the candidate pool and fit in the golden subset, the cuts
 * leave out nothing but rows below the tolerance, wherever they lie. Each partition tells of its rows what it knows without the others (proto PoolProof), and
 * whether that is enough is decided here, over all of them.
 */

import { POOL_PROOF_RATIO } from '../limits.js';

/** What one partition knows; arrays are [B], keys are proxy distances. */
export interface PoolProofs {
  readonly eligible: ArrayLike<number>;
  /** rows that could matter; UNKNOWN_RELEVANT = not known */
  readonly relevant: ArrayLike<number>;
  /** none of them has a larger key; -Infinity where there are none */
  readonly relevantKey: ArrayLike<number>;
  /** no row that was left out unseen has a smaller key */
  readonly unseenKey: ArrayLike<number>;
  /** [B, points], ascending: at most rank rows have keys below least, at least rank have keys up to most */
  readonly rank: ArrayLike<number>;
  readonly least: ArrayLike<number>;
  readonly most: ArrayLike<number>;
}

export const UNKNOWN_RELEVANT = 0xffffffff;

/** Rows wanted after each stage, [B]. */
export interface PoolSizes {
  readonly presample: ArrayLike<number>;
  readonly pool: ArrayLike<number>;
  readonly subset: ArrayLike<number>;
}

/** [B] the pool's share of all rows where a proof is worth asking for, else 0: a pool some times the size of the subset tells of noise that is low. */
export function poolShares({ presample, pool, subset }: PoolSizes, eligible: ArrayLike<number>): Float64Array {
  return Float64Array.from(pool, (wanted, b) => {
    const rows = eligible[b]!;
    return presample[b]! >= rows && wanted >= POOL_PROOF_RATIO * subset[b]! ? Math.min(1, wanted / rows) : 0;
  });
}

/** @param parts of every partition, the same number of points in all. Whether the cuts of query b leave out nothing that could matter. */
export function isProven(parts: readonly PoolProofs[], { pool, subset }: PoolSizes, b: number): boolean {
  const sum = (of: (part: PoolProofs) => number): number => parts.reduce((total, part) => total + of(part), 0);
  if (sum(({ relevant }) => relevant[b]!) > subset[b]!) return false;
  const relevantKey = Math.max(...parts.map((part) => part.relevantKey[b]!));
  const unseenKey = Math.min(...parts.map((part) => part.unseenKey[b]!));
  const surelyInside = sum((part) => mostUpTo(part, b, relevantKey)) <= pool[b]!;
  const surelySeen = unseenKey === Infinity || sum((part) => leastBelow(part, b, unseenKey)) >= pool[b]!;
  return surelyInside && surelySeen;
}

/** No more rows than this have keys up to `key`. */
function mostUpTo({ eligible, rank, least }: PoolProofs, b: number, key: number): number {
  const points = rank.length / eligible.length;
  for (let i = b * points; i < (b + 1) * points; i++) if (least[i]! > key) return rank[i]!;
  return eligible[b]!;
}

/** No fewer rows than this have keys below `key`. */
function leastBelow({ eligible, rank, most }: PoolProofs, b: number, key: number): number {
  const points = rank.length / eligible.length;
  for (let i = (b + 1) * points - 1; i >= b * points; i--) if (most[i]! < key) return rank[i]!;
  return 0;
}
