/** Softmax statistics of one partition where weights belong to groups: scalars and weighted sums in one pass over the rows. */

import { NEGLIGIBLE_LOGIT_NATS } from '../../../shared/limits.js';
import { emptyGroupedPartial, type GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { RowList } from './row-distances.js';
import type { RowSource } from './row-source.js';
import type { WeightGroups } from './weight-groups.js';

export interface GroupedQueries {
  /** [B, D] */
  readonly x: Float64Array;
  /** [B] */
  readonly alpha: Float64Array;
  /** [B] 2 sigma^2 T: logit = -distance / divisor, in nats */
  readonly divisors: Float64Array;
  /** [B] */
  readonly groups: readonly WeightGroups[];
}

/** Rows spread to doubles at once: all queries pass over them while they are in the cache. */
const TILE_ROWS = 16;

/**
 * (m, S, Q, least logit, Y) of each query and group over the rows of its list, rows added in ascending order as they come: where a row raises a group's
 * maximum, what was summed before is scaled down to it. A row more than NEGLIGIBLE_LOGIT_NATS below the maximum so far adds nothing to the sums, at most
 * n e^-60 of the mass.
 *
 * @param lists [B] rows of each query
 * @param checkpoint called before every row of every query; may throw to leave
 * Double throughout, Y rounded once to float32; a query's answer depends on its rows alone. Cost for each row and query: 4 D flop, the groups' sums, and at
 * most one exp a group.
 */
export function groupedPosterior(
  source: RowSource,
  queries: GroupedQueries,
  lists: readonly RowList[],
  groupCount: number,
  checkpoint: () => void,
): GroupedPartial {
  const { rows, rowValues: D, values, fill, divisor, offset } = source;
  const { x, alpha } = queries;
  const B = lists.length;
  const G = groupCount;
  const out = emptyGroupedPartial(B, G, D);
  const totals = new Float64Array(B * D);
  const q = new Float64Array(B * D);
  for (let b = 0; b < B; b++) {
    const shift = alpha[b]! * offset;
    for (let p = b * D; p < (b + 1) * D; p++) q[p] = x[p]! - shift;
    out.rows[b] = lists[b]?.length ?? rows;
  }
  const tile = new Float64Array(TILE_ROWS * D);
  const filled = new Uint8Array(TILE_ROWS);
  const squares = new Float64Array(D);
  const distances = new Float64Array(G);
  const position = new Uint32Array(B);
  for (let first = 0; first < rows; first += TILE_ROWS) {
    const last = Math.min(rows, first + TILE_ROWS);
    filled.fill(0);
    for (let b = 0; b < B; b++) {
      const list = lists[b];
      let at = list === undefined ? first : position[b]!;
      for (; list === undefined ? at < last : at < list.length && list[at]! < last; at++) {
        checkpoint();
        const slot = (list === undefined ? at : list[at]!) - first;
        if (filled[slot] === 0) {
          fill(values, (first + slot) * D, 1, tile, slot * D, D);
          filled[slot] = 1;
        }
        squaredDifferences(q, b * D, alpha[b]! / divisor, tile, slot * D, squares);
        queries.groups[b]!.sum(squares, distances);
        addRow(distances, queries.divisors[b]!, tile, slot * D, out, totals, b, G, D);
      }
      position[b] = at;
    }
  }
  // y = v / divisor + offset, applied to the sums.
  for (let b = 0; b < B; b++) {
    for (let p = 0; p < D; p++) out.sums[b * D + p] = totals[b * D + p]! / divisor + offset * out.mass[b * G + (p % G)]!;
  }
  return out;
}

function squaredDifferences(q: Float64Array, qo: number, scale: number, tile: Float64Array, o: number, squares: Float64Array): void {
  for (let p = 0; p < squares.length; p++) {
    const d = q[qo + p]! - scale * tile[o + p]!;
    squares[p] = d * d;
  }
}

/** One row of values tile[o ..] added to the statistics of query b. */
function addRow(
  distances: Float64Array,
  divisor: number,
  tile: Float64Array,
  o: number,
  { maxLogit, mass, massSq, minLogit }: GroupedPartial,
  totals: Float64Array,
  b: number,
  G: number,
  D: number,
): void {
  const from = b * G;
  const to = b * D;
  for (let g = 0; g < G; g++) {
    const i = from + g;
    // 0 - rather than -: a row at distance 0 has the logit 0, not -0.
    const logit = 0 - distances[g]! / divisor;
    if (logit < minLogit[i]!) minLogit[i] = logit;
    const below = logit - maxLogit[i]!;
    if (below <= 0) {
      if (below < -NEGLIGIBLE_LOGIT_NATS) continue;
      const w = below === 0 ? 1 : Math.exp(below);
      mass[i] = mass[i]! + w;
      massSq[i] = massSq[i]! + w * w;
      for (let p = g; p < D; p += G) totals[to + p] = totals[to + p]! + w * tile[o + p]!;
    } else {
      const f = Math.exp(-below);
      maxLogit[i] = logit;
      mass[i] = mass[i]! * f + 1;
      massSq[i] = massSq[i]! * f * f + 1;
      for (let p = g; p < D; p += G) totals[to + p] = totals[to + p]! * f + tile[o + p]!;
    }
  }
}
