/**
 * Partial statistics where the weights of a row belong to groups of output values, and the operator that merges them. G groups: value p of the answer
 * has the weights of group p mod G, so that G = D is a softmax for each value (pca), and G = H*W one for each location, shared by the channels (patch).
 *
 * For each query and group m = max logit, S = sum exp(logit - m), Q = sum exp(2 (logit - m)), the least logit, and for each value
 * Y_p = sum exp(logit - m) y_ip with its group's m. The recurrence is that of partial-posterior.ts, group by group.
 */

import { invariant } from '../errors.js';
import { rescale } from './partial-posterior.js';

export interface GroupedPartial {
  /** [B] rows in the sums, the same for all groups */
  readonly rows: Float64Array;
  /** [B, G] nats; -Infinity where there is no row */
  readonly maxLogit: Float64Array;
  /** [B, G] sum exp(logit - maxLogit), in [1, rows] */
  readonly mass: Float64Array;
  /** [B, G] sum exp(2 (logit - maxLogit)) */
  readonly massSq: Float64Array;
  /** [B, G] nats; Infinity where there is no row */
  readonly minLogit: Float64Array;
  /** [B, D] float32, each relative to its group's maxLogit */
  readonly sums: Float32Array;
}

/** The identity of the merge. */
export function emptyGroupedPartial(batch: number, groups: number, rowValues: number): GroupedPartial {
  return {
    rows: new Float64Array(batch),
    maxLogit: new Float64Array(batch * groups).fill(-Infinity),
    mass: new Float64Array(batch * groups),
    massSq: new Float64Array(batch * groups),
    minLogit: new Float64Array(batch * groups).fill(Infinity),
    sums: new Float32Array(batch * rowValues),
  };
}

/**
 * Merge of two disjoint sets. Scalars in double, sums f32(Yl e^(ml-m) + Yr e^(mr-m)) with products and sum in double.
 * Cost: two exp for each query and group, 2 multiply-adds for each value.
 */
export function mergeGrouped(left: GroupedPartial, right: GroupedPartial): GroupedPartial {
  const B = left.rows.length;
  const G = left.maxLogit.length / B;
  const D = left.sums.length / B;
  invariant(right.rows.length === B && right.maxLogit.length === B * G && right.sums.length === B * D, 'partials of one step have one shape');
  const out = emptyGroupedPartial(B, G, D);
  for (let b = 0; b < B; b++) {
    out.rows[b] = left.rows[b]! + right.rows[b]!;
    for (let g = 0; g < G; g++) {
      const i = b * G + g;
      const m = Math.max(left.maxLogit[i]!, right.maxLogit[i]!);
      const l = rescale(left.maxLogit[i]!, m);
      const r = rescale(right.maxLogit[i]!, m);
      out.maxLogit[i] = m;
      out.mass[i] = left.mass[i]! * l + right.mass[i]! * r;
      out.massSq[i] = left.massSq[i]! * l * l + right.massSq[i]! * r * r;
      out.minLogit[i] = Math.min(left.minLogit[i]!, right.minLogit[i]!);
      for (let p = b * D + g; p < (b + 1) * D; p += G) out.sums[p] = left.sums[p]! * l + right.sums[p]! * r;
    }
  }
  return out;
}

/** x0hat [B, D]: Y_p / S of p's group. */
export function groupedMean({ rows, mass, sums }: GroupedPartial): Float64Array {
  const B = rows.length;
  const G = mass.length / B;
  const D = sums.length / B;
  const mean = new Float64Array(B * D);
  for (let b = 0; b < B; b++) {
    for (let p = 0; p < D; p++) mean[b * D + p] = sums[b * D + p]! / mass[b * G + (p % G)]!;
  }
  return mean;
}

/** Bytes of a partial's arrays but `rows`, in the order of proto GroupsPart. */
export function groupedBytes(batch: number, groups: number, rowValues: number): number {
  return batch * (groups * 4 * Float64Array.BYTES_PER_ELEMENT + rowValues * Float32Array.BYTES_PER_ELEMENT);
}

/** maxLogit, mass, massSq, minLogit and sums as little-endian bytes, one after the other. */
export function encodeGrouped(partial: GroupedPartial): Uint8Array<ArrayBuffer> {
  const { maxLogit, mass, massSq, minLogit, sums } = partial;
  const arrays = [maxLogit, mass, massSq, minLogit, sums];
  const bytes = new Uint8Array(arrays.reduce((total, array) => total + array.byteLength, 0));
  let at = 0;
  for (const array of arrays) {
    bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  }
  return bytes;
}

/**
 * The partial that `encodeGrouped` made the bytes of; its arrays are views of them.
 * @param bytes groupedBytes of the same shape, from the start of their buffer
 */
export function decodeGrouped(rows: Float64Array, groups: number, rowValues: number, bytes: Uint8Array<ArrayBuffer>): GroupedPartial {
  const B = rows.length;
  invariant(bytes.byteOffset === 0 && bytes.length === groupedBytes(B, groups, rowValues), 'the bytes are those of a partial');
  const of = (i: number): Float64Array => new Float64Array(bytes.buffer, i * B * groups * 8, B * groups);
  return {
    rows,
    maxLogit: of(0),
    mass: of(1),
    massSq: of(2),
    minLogit: of(3),
    sums: new Float32Array(bytes.buffer, 4 * B * groups * 8, B * rowValues),
  };
}
