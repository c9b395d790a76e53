/** Softmax statistics of one partition from its squared distances. */

import { HISTOGRAM_BINS, HISTOGRAM_BINS_PER_NAT, NEGLIGIBLE_LOGIT_NATS, SKIPPED_SHARE_QUANTUM } from '../../../shared/limits.js';
import { emptyScalars, rescale, type PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import type { GlobalScalars, LogitHistogram } from '../backend.js';
import { addRow1, addRow4, tileRows } from './row-kernels.js';
import type { RowList } from './row-distances.js';
import type { RowSource } from './row-source.js';
import type { Gathered, SummedRows } from './step-partition.js';

/** [B] 2 sigma^2 T: logit = -distance / divisor, in nats. */
export function logitDivisors(sigma: Float64Array, temperature: number): Float64Array {
  return sigma.map((s) => 2 * s * s * temperature);
}

/** 0 - rather than -: a row at distance 0 has the logit 0, not -0. */
function logitOf(distance: number, divisor: number): number {
  return 0 - distance / divisor;
}

/**
 * (m, S, Q, rows) of each query over its rows, summed in the order of its list: m = max logit, S = sum e^(logit - m), Q = sum e^(2 (logit - m)).
 * Double; a query without rows has the empty set's values. Cost: one exp per row and query, none where it would be 0.
 */
export function posteriorScalars(distances: readonly Float64Array[], divisors: Float64Array): PosteriorScalars {
  const out = emptyScalars(distances.length);
  distances.forEach((distance, b) => {
    const divisor = divisors[b]!;
    const n = distance.length;
    let nearest = Infinity;
    for (let i = 0; i < n; i++) if (distance[i]! < nearest) nearest = distance[i]!;
    if (n === 0) return;
    const max = logitOf(nearest, divisor);
    let mass = 0;
    let massSq = 0;
    for (let i = 0; i < n; i++) {
      const below = logitOf(distance[i]!, divisor) - max;
      if (below < EXP_UNDERFLOW_NATS) continue;
      const w = Math.exp(below);
      mass += w;
      massSq += w * w;
    }
    out.maxLogit[b] = max;
    out.mass[b] = mass;
    out.massSq[b] = massSq;
    out.rows[b] = n;
  });
  return out;
}

/** exp of anything lower is 0 in double. */
const EXP_UNDERFLOW_NATS = -746;
/** Rows and weights gathered at once; queries are taken in blocks of so many that they fit. */
const GATHER_BYTES = 64 * 1024 * 1024;
const GATHER_ENTRY_BYTES = 12;

/** B queries on one partition. */
export interface SumsRequest {
  readonly lists: readonly RowList[];
  /** [B] squared distances of each query's rows, in the order of its list */
  readonly distances: readonly Float64Array[];
  /** [B] see logitDivisors */
  readonly divisors: Float64Array;
  /** of this partition */
  readonly own: PosteriorScalars;
  readonly global: GlobalScalars;
  readonly negligibleShare: number;
}

export interface WeightedSums {
  /** queries with a sum, ascending */
  readonly queries: Uint32Array;
  /** [queries.length, D] float32 */
  readonly sums: Float32Array;
  /** [B] */
  readonly skippedShare: Float64Array;
}

/**
 * Y = sum e^(logit - m) y_i of each query whose share of the global mass, S e^(m - M) / S_global, is at least `negligibleShare`, m the partition's own
 * maximum. Rows more than NEGLIGIBLE_LOGIT_NATS below the global maximum M are left out; skippedShare counts each of them at e^-60 / S_global, an
 * upper bound that costs no exp, and a query that is left out whole by its share.
 *
 * Rows are added in ascending order in double and rounded once to float32. y = v / divisor + offset is applied to the sum: the error stays below
 * (rows + 3) 2^-53 S times the data's range. Cost: 2 flop per value of each row with weight; a scan of the distances otherwise.
 */
export function weightedSums(
  partition: SummedRows,
  { lists, distances, divisors, own, global, negligibleShare }: SumsRequest,
  checkpoint: () => void,
): WeightedSums {
  const { rows: n, rowValues: D } = partition;
  const B = distances.length;
  const skippedShare = new Float64Array(B);
  const included: number[] = [];
  for (let b = 0; b < B; b++) {
    if (!(global.mass[b]! > 0) || own.mass[b] === 0) continue;
    const share = (own.mass[b]! * rescale(own.maxLogit[b]!, global.maxLogit[b]!)) / global.mass[b]!;
    if (share < negligibleShare) skippedShare[b] = share;
    else included.push(b);
  }
  const sums = new Float32Array(included.length * D);
  const blockSize = Math.max(1, Math.floor(GATHER_BYTES / (GATHER_ENTRY_BYTES * Math.max(1, n))));
  for (let from = 0; from < included.length; from += blockSize) {
    const block = included.slice(from, from + blockSize);
    const gathered = block.map((b) => {
      checkpoint();
      const floor = global.maxLogit[b]! - NEGLIGIBLE_LOGIT_NATS;
      const result = gatherWeights(lists[b], distances[b]!, divisors[b]!, own.maxLogit[b]!, floor);
      skippedShare[b] = ((distances[b]!.length - result.rows.length) * Math.exp(-NEGLIGIBLE_LOGIT_NATS)) / global.mass[b]!;
      return result;
    });
    partition.sumRows(gathered, sums.subarray(from * D, (from + block.length) * D), checkpoint);
  }
  return {
    queries: Uint32Array.from(included),
    sums,
    skippedShare: skippedShare.map((share) => Math.ceil(share / SKIPPED_SHARE_QUANTUM) * SKIPPED_SHARE_QUANTUM),
  };
}

function gatherWeights(list: RowList, distances: Float64Array, divisor: number, ownMax: number, floor: number): Gathered {
  const n = distances.length;
  let count = 0;
  for (let i = 0; i < n; i++) if (logitOf(distances[i]!, divisor) >= floor) count++;
  const rows = new Uint32Array(count);
  const weights = new Float64Array(count);
  for (let i = 0, k = 0; k < count; i++) {
    const logit = logitOf(distances[i]!, divisor);
    if (logit < floor) continue;
    rows[k] = list === undefined ? i : list[i]!;
    weights[k++] = Math.exp(logit - ownMax);
  }
  return { rows, weights };
}

/** What StepPartition.sumRows asks for, in double. */
export function addGathered(source: RowSource, gathered: readonly Gathered[], sums: Float32Array, checkpoint: () => void): void {
  const { rows, rowValues: D, values, fill, divisor, offset } = source;
  const tileSize = tileRows(D);
  const tile = new Float64Array(tileSize * D);
  const needed = new Uint8Array(tileSize);
  const totals = new Float64Array(gathered.length * D);
  const position = new Uint32Array(gathered.length);
  const end = new Uint32Array(gathered.length);
  for (let first = 0; first < rows; first += tileSize) {
    const last = Math.min(rows, first + tileSize);
    needed.fill(0);
    let any = false;
    gathered.forEach(({ rows: list }, k) => {
      let e = position[k]!;
      for (; e < list.length && list[e]! < last; e++) needed[list[e]! - first] = 1;
      if (e > position[k]!) any = true;
      end[k] = e;
    });
    if (!any) continue;
    checkpoint();
    for (let t = 0; t < last - first; t++) if (needed[t] === 1) fill(values, (first + t) * D, 1, tile, t * D, D);
    gathered.forEach(({ rows: list, weights: w }, k) => {
      let i = position[k]!;
      const e = end[k]!;
      const at = (j: number): number => (list[j]! - first) * D;
      for (; i + 4 <= e; i += 4) addRow4(tile, at(i), at(i + 1), at(i + 2), at(i + 3), w[i]!, w[i + 1]!, w[i + 2]!, w[i + 3]!, totals, k * D, D);
      for (; i < e; i++) addRow1(tile, at(i), w[i]!, totals, k * D, D);
      position[k] = e;
    });
  }
  gathered.forEach(({ weights }, k) => {
    const weight = weights.reduce((sum, w) => sum + w, 0);
    const from = k * D;
    for (let p = 0; p < D; p++) sums[from + p] = totals[from + p]! / divisor + offset * weight;
  });
}

/**
 * Counts and mass of each query's rows by distance below the global maximum: bin j holds logits in (M - (j+1) w, M - j w], w = 1/32 nat.
 * Rows beyond the last bin are not counted. Mass relative to M, in double, in the order of the list.
 */
export function logitHistogram(distances: readonly Float64Array[], divisors: Float64Array, globalMax: Float64Array): LogitHistogram {
  const B = distances.length;
  const rows = new Uint32Array(B * HISTOGRAM_BINS);
  const mass = new Float64Array(B * HISTOGRAM_BINS);
  distances.forEach((distance, b) => {
    const divisor = divisors[b]!;
    const max = globalMax[b]!;
    if (max === -Infinity) return;
    for (let i = 0; i < distance.length; i++) {
      const below = max - logitOf(distance[i]!, divisor);
      const bin = Math.max(0, Math.floor(below * HISTOGRAM_BINS_PER_NAT));
      if (bin >= HISTOGRAM_BINS) continue;
      const at = b * HISTOGRAM_BINS + bin;
      rows[at] = rows[at]! + 1;
      mass[at] = mass[at]! + Math.exp(-below);
    }
  });
  return { rows, mass };
}
