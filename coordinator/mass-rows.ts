/** Rows that hold a share of the posterior mass, from the merged histogram of logits. */

import { HISTOGRAM_BINS } from '../shared/limits.js';

/** Histogram of B queries below the global maximum; bins as in proto NodeHistogram. */
export interface MergedHistogram {
  /** [B, bins] */
  readonly rows: Float64Array;
  /** [B, bins] sum exp(logit - global maximum) */
  readonly mass: Float64Array;
}

/** Counts of two disjoint sets of rows. Sums of counts are exact; sums of mass are rounded once, in the order of the tree. */
export function mergeHistograms(left: MergedHistogram, right: MergedHistogram): MergedHistogram {
  return { rows: left.rows.map((r, i) => r + right.rows[i]!), mass: left.mass.map((m, i) => m + right.mass[i]!) };
}

/**
 * Fewest rows that hold `share` of the total mass of query b, counted from the heaviest. Exact up to the rows of the bin in which the share is
 * reached: within it rows are taken as equally heavy.
 *
 * @param share in (0, 1)
 * @param total mass of all rows relative to the global maximum, > 0
 */
export function rowsOfShare(histogram: MergedHistogram, b: number, share: number, total: number): number {
  const wanted = share * total;
  let mass = 0;
  let rows = 0;
  for (let j = b * HISTOGRAM_BINS; j < (b + 1) * HISTOGRAM_BINS; j++) {
    const inBin = histogram.mass[j]!;
    if (inBin > 0 && mass + inBin >= wanted) return rows + Math.max(1, Math.ceil((histogram.rows[j]! * (wanted - mass)) / inBin));
    mass += inBin;
    rows += histogram.rows[j]!;
  }
  return rows;
}
