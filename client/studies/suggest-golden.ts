/**
 * The golden sizes k_min and k_max that give every noise level at least the rows it needs, and the least rows in all. k_t goes in a straight line from k_max
 * at noise share 1 to k_min at noise share 0 (golden-schedule.ts). For a given k_max the least k_min follows from the tightest level, and the sum over the
 * levels is convex in k_max.
 */

import { goldenSizes, resolveGolden } from '../../shared/math/golden-schedule.js';
import { noiseShare, type NoiseLevel } from '../../shared/math/noise-schedule.js';

export interface NeedAt extends NoiseLevel {
  /** rows, 1 .. N */
  readonly rows: number;
}

export interface GoldenSuggestion {
  readonly kMin: number;
  readonly kMax: number;
  /** k_t at each level, in the order given */
  readonly sizes: readonly number[];
  /** rows over all levels, as a share of what exact retrieval weighs */
  readonly shareOfExact: number;
}

/** Halvings of the range of k_max: enough for 2^32 rows. */
const SEARCH_STEPS = 64;

/** @param rows N, eligible rows */
export function suggestGolden(needs: readonly NeedAt[], rows: number): GoldenSuggestion {
  const levels = needs.map((need) => ({ noise: noiseShare(need), rows: need.rows }));
  const kMinFor = (kMax: number): number => Math.max(1, ...levels.map((l) => (l.rows - l.noise * kMax) / (1 - l.noise)));
  const total = (kMax: number): number => levels.reduce((sum, { noise }) => sum + noise * kMax + (1 - noise) * kMinFor(kMax), 0);
  let low = Math.max(...levels.map((l) => l.rows));
  let high = rows;
  for (let i = 0; i < SEARCH_STEPS; i++) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3];
    if (total(left) <= total(right)) high = right;
    else low = left;
  }
  let kMax = Math.min(rows, Math.ceil(low - 1e-6));
  let kMin = Math.min(kMax, Math.ceil(kMinFor(kMax) - 1e-6));
  // k_t is rounded to whole rows, which may take half a row from a level.
  for (;;) {
    const sizes = needs.map((need) => goldenSizes(resolveGolden({ kMin, kMax, candidatePool: rows }, rows), rows, need).subset);
    if (sizes.every((size, i) => size >= needs[i]!.rows))
      return { kMin, kMax, sizes, shareOfExact: sizes.reduce((sum, size) => sum + size, 0) / (rows * sizes.length) };
    kMax = Math.min(rows, kMax + 1);
    kMin = Math.min(kMax, kMin + 1);
  }
}
