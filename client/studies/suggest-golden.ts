/**
 * The golden sizes k_min and k_max that give every noise level at least the rows it needs, and the least rows in all. k_t goes in a straight line from k_max
 * at noise share 1 to k_min at noise share 0 (golden-schedule.ts). For a given k_max the least k_min follows from the tightest level, and the sum over the
 * levels is convex in k_max.
 */

import { invariant } from '../../shared/errors.js';
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
/** Whole numbers tried on either side of the best real one: rounding makes the sum a little rough. */
const NEIGHBOURS = 2;

/** @param rows N, eligible rows */
export function suggestGolden(needs: readonly NeedAt[], rows: number): GoldenSuggestion {
  const levels = needs.map((need) => ({ noise: noiseShare(need), rows: need.rows }));
  // k_t is rounded to whole rows, so half a row less will do: at noise shares near 1 that is far more than half a row of k_min.
  const kMinFor = (kMax: number): number => Math.max(1, ...levels.map((l) => (l.rows - 0.5 - l.noise * kMax) / (1 - l.noise)));
  const total = (kMax: number): number => levels.reduce((sum, { noise }) => sum + noise * kMax + (1 - noise) * kMinFor(kMax), 0);
  const least = Math.max(...levels.map((l) => l.rows));
  let low = least;
  let high = rows;
  for (let i = 0; i < SEARCH_STEPS; i++) {
    const [left, right] = [low + (high - low) / 3, high - (high - low) / 3];
    if (total(left) <= total(right)) high = right;
    else low = left;
  }
  let best: GoldenSuggestion | undefined;
  for (let kMax = Math.max(least, Math.floor(low) - NEIGHBOURS); kMax <= Math.min(rows, Math.ceil(low) + NEIGHBOURS); kMax++) {
    const found = sized(needs, rows, kMax, Math.min(kMax, Math.ceil(kMinFor(kMax) - 1e-6)));
    if (best === undefined || found.shareOfExact < best.shareOfExact) best = found;
  }
  invariant(best !== undefined, 'all rows are enough for any level');
  return best;
}

/** With the least k_min from the one given that gives every level its rows: the rounding of a double may have taken one. */
function sized(needs: readonly NeedAt[], rows: number, kMax: number, kMinFrom: number): GoldenSuggestion {
  for (let kMin = kMinFrom; ; kMin++) {
    const sizes = needs.map((need) => goldenSizes(resolveGolden({ kMin, kMax, candidatePool: rows }, rows), rows, need).subset);
    if (kMin >= kMax || sizes.every((size, i) => size >= needs[i]!.rows))
      return { kMin, kMax, sizes, shareOfExact: sizes.reduce((sum, size) => sum + size, 0) / (rows * sizes.length) };
  }
}
