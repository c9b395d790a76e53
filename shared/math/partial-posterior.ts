/**
 * Partial statistics of a posterior mean, and the one operator that merges them.
 *
 * A set of rows R contributes, for each query, m = max logit, S = sum exp(logit - m), Q = sum exp(2 (logit - m)), the number of rows, and
 * Y = sum exp(logit - m) y_i. The merge is associative and commutative up to rounding, so answers are merged over one fixed tree
 * (merge-tree.ts) and are bit-identical wherever the partials were computed. SCIENCE: FlashAttention and streaming softmax use the same
 * recurrence; here the sums are over data rows.
 */

import { invariant } from '../errors.js';

/** Scalars of B queries. All arrays are [B]. The empty set is m = -Infinity and zeros: the identity of the merge. */
export interface PosteriorScalars {
  /** nats */
  readonly maxLogit: Float64Array;
  /** sum exp(logit - maxLogit), in [1, rows] for a set that is not empty */
  readonly mass: Float64Array;
  /** sum exp(2 (logit - maxLogit)) */
  readonly massSq: Float64Array;
  /** rows in the sums; exact up to 2^53 */
  readonly rows: Float64Array;
}

export function emptyScalars(batch: number): PosteriorScalars {
  return {
    maxLogit: new Float64Array(batch).fill(-Infinity),
    mass: new Float64Array(batch),
    massSq: new Float64Array(batch),
    rows: new Float64Array(batch),
  };
}

/**
 * Factor exp(from - to) that carries sums relative to `from` over to the maximum `to` >= `from`.
 * The empty set has from = -Infinity and factor 0, also where to is -Infinity too: (-inf) - (-inf) must not make NaN.
 */
export function rescale(from: number, to: number): number {
  if (from === -Infinity) return 0;
  // The larger side of every merge: an exp less.
  return from === to ? 1 : Math.exp(from - to);
}

/** Merge of two disjoint sets. In and out double; each output is rounded once per product and once per sum. Cost 4 exp per query at most. */
export function mergeScalars(left: PosteriorScalars, right: PosteriorScalars): PosteriorScalars {
  const B = left.maxLogit.length;
  invariant(right.maxLogit.length === B, 'partials of one batch have one length');
  const out = emptyScalars(B);
  for (let b = 0; b < B; b++) {
    const m = Math.max(left.maxLogit[b]!, right.maxLogit[b]!);
    const l = rescale(left.maxLogit[b]!, m);
    const r = rescale(right.maxLogit[b]!, m);
    out.maxLogit[b] = m;
    out.mass[b] = left.mass[b]! * l + right.mass[b]! * r;
    out.massSq[b] = left.massSq[b]! * l * l + right.massSq[b]! * r * r;
    out.rows[b] = left.rows[b]! + right.rows[b]!;
  }
  return out;
}

/**
 * Weighted sums of one node: Y of the queries listed, each relative to that node's own maxLogit.
 * A query that is not listed has a zero sum (its share was negligible everywhere in the node).
 */
export interface PosteriorSums {
  /** queries present, ascending */
  readonly queries: Uint32Array;
  /** [queries.length, D] row-major float32 */
  readonly sums: Float32Array;
}

export const EMPTY_SUMS: PosteriorSums = { queries: new Uint32Array(0), sums: new Float32Array(0) };

/**
 * Merge of the weighted sums of two nodes whose scalars are given: Y' = f32(Yl e^(ml-m) + Yr e^(mr-m)), products and sum in double,
 * rounded to float32 once. A sum that is absent on one side is carried over with the same rounding.
 * Cost: 2 multiply-adds per value; reads and writes 4 bytes each.
 */
export function mergeSums(left: PosteriorSums, leftMax: Float64Array, right: PosteriorSums, rightMax: Float64Array, dim: number): PosteriorSums {
  const queries = unionAscending(left.queries, right.queries);
  const sums = new Float32Array(queries.length * dim);
  let i = 0;
  let j = 0;
  for (let k = 0; k < queries.length; k++) {
    const b = queries[k]!;
    const inLeft = left.queries[i] === b;
    const inRight = right.queries[j] === b;
    const m = Math.max(leftMax[b]!, rightMax[b]!);
    const l = inLeft ? rescale(leftMax[b]!, m) : 0;
    const r = inRight ? rescale(rightMax[b]!, m) : 0;
    const out = k * dim;
    if (inLeft && inRight) {
      const lo = i * dim;
      const ro = j * dim;
      for (let p = 0; p < dim; p++) sums[out + p] = left.sums[lo + p]! * l + right.sums[ro + p]! * r;
    } else if (inLeft) {
      const lo = i * dim;
      for (let p = 0; p < dim; p++) sums[out + p] = left.sums[lo + p]! * l;
    } else {
      const ro = j * dim;
      for (let p = 0; p < dim; p++) sums[out + p] = right.sums[ro + p]! * r;
    }
    if (inLeft) i++;
    if (inRight) j++;
  }
  return { queries, sums };
}

function unionAscending(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length);
  let i = 0;
  let j = 0;
  let n = 0;
  while (i < a.length || j < b.length) {
    const x = a[i] ?? Infinity;
    const y = b[j] ?? Infinity;
    out[n++] = Math.min(x, y);
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return out.subarray(0, n);
}
