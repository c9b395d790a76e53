/**
 * Partial statistics of the `wss` aggregator ("weighted streaming softmax" of the published baselines), and the operator that merges them. Rows are cut into
 * blocks of L, by their place in the data set; each block has a softmax of its own, and the answer is the plain mean of the blocks' answers:
 *     x0hat = 1/n sum_j (sum_(i in block j) w_i y_i / sum_(i in block j) w_i),  over the n blocks that have a row
 * It is biased: a block far from the query counts as much as the one that holds all the mass. It is here so that the baselines can be reproduced.
 *
 * A block may lie across partitions, so that it is only whole once they have been merged: of a run of neighbouring partitions the first and the last block stay
 * open, and those between are divided by their mass and added up. Merged along the one tree over partitions, answers are the same bits for any placement.
 */

import { invariant } from '../errors.js';
import { decodeGrouped, encodeGrouped, groupedBytes, mergeGrouped, type GroupedPartial } from './grouped-partial.js';

export interface BlockedPartial {
  /** all rows under one softmax, for the statistics */
  readonly whole: GroupedPartial;
  /** [B] closed blocks that had a row */
  readonly closed: Float64Array;
  /** [B, D] sum of the closed blocks' means, in double */
  readonly means: Float64Array;
  /** the first and the last block, one where they are the same, ascending */
  readonly open: readonly OpenBlock[];
}

export interface OpenBlock {
  /** number of the block: its rows have the places block * L .. (block + 1) * L - 1 */
  readonly block: number;
  readonly partial: GroupedPartial;
}

/** @param blocks of one partition: every one that a row of it lies in, ascending, at least one */
export function blockedLeaf(blocks: readonly OpenBlock[]): BlockedPartial {
  const first = blocks[0];
  invariant(first !== undefined, 'a partition has rows');
  const B = first.partial.rows.length;
  const D = first.partial.sums.length / B;
  const whole = blocks.slice(1).reduce((merged, { partial }) => mergeGrouped(merged, partial), first.partial);
  return closeMiddle(whole, new Float64Array(B), new Float64Array(B * D), blocks);
}

/** Merge of two runs of rows, the left one before the right one. */
export function mergeBlocked(left: BlockedPartial, right: BlockedPartial): BlockedPartial {
  const closed = left.closed.map((count, b) => count + right.closed[b]!);
  const means = left.means.map((sum, i) => sum + right.means[i]!);
  const [last, first] = [left.open[left.open.length - 1]!, right.open[0]!];
  invariant(last.block <= first.block, 'blocks are merged in their order');
  const joined = last.block === first.block ? [{ block: last.block, partial: mergeGrouped(last.partial, first.partial) }] : [last, first];
  const open = [...left.open.slice(0, -1), ...joined, ...right.open.slice(1)];
  return closeMiddle(mergeGrouped(left.whole, right.whole), closed, means, open);
}

/** No row is left outside: [B] blocks that had a row, and [B, D] their mean; NaN for a query without rows. */
export function blockedMean({ closed, means, open }: BlockedPartial): { blocks: Float64Array; mean: Float64Array } {
  const blocks = closed.slice();
  const mean = means.slice();
  for (const { partial } of open) close(partial, blocks, mean);
  const D = mean.length / blocks.length;
  return { blocks, mean: mean.map((sum, i) => sum / blocks[Math.floor(i / D)]!) };
}

/** Nothing outside can belong to a block between the first and the last. Takes closed and means over. */
function closeMiddle(whole: GroupedPartial, closed: Float64Array, means: Float64Array, blocks: readonly OpenBlock[]): BlockedPartial {
  for (const { partial } of blocks.slice(1, -1)) close(partial, closed, means);
  return { whole, closed, means, open: blocks.length < 2 ? blocks : [blocks[0]!, blocks[blocks.length - 1]!] };
}

function close({ rows, mass, sums }: GroupedPartial, closed: Float64Array, means: Float64Array): void {
  const B = rows.length;
  const G = mass.length / B;
  const D = sums.length / B;
  for (let b = 0; b < B; b++) {
    if (rows[b] === 0) continue;
    closed[b] = closed[b]! + 1;
    for (let p = 0; p < D; p++) means[b * D + p] = means[b * D + p]! + sums[b * D + p]! / mass[b * G + (p % G)]!;
  }
}

/** Open blocks, and whether there are two; then rows of whole, first and last block, closed, means: all doubles. */
const HEADER_DOUBLES = 3;

/** Bytes of any partial of these shapes. */
export function blockedBytes(batch: number, groups: number, rowValues: number): number {
  return 8 * (HEADER_DOUBLES + 4 * batch + batch * rowValues) + 3 * groupedBytes(batch, groups, rowValues);
}

/** Little-endian, always of blockedBytes: what is not there is zero. */
export function encodeBlocked({ whole, closed, means, open }: BlockedPartial): Uint8Array<ArrayBuffer> {
  const [first, last] = [open[0]!, open[1]];
  const B = closed.length;
  const groups = [whole, first.partial, ...(last ? [last.partial] : [])].map(encodeGrouped);
  const none = new Float64Array(B);
  const doubles = [
    Float64Array.of(open.length, first.block, last?.block ?? 0),
    whole.rows,
    first.partial.rows,
    last?.partial.rows ?? none,
    closed,
    means,
  ];
  const out = new Uint8Array(doubles.reduce((sum, array) => sum + array.byteLength, 0) + 3 * groups[0]!.length);
  let at = 0;
  for (const array of doubles) {
    out.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), at);
    at += array.byteLength;
  }
  for (const bytes of groups) {
    out.set(bytes, at);
    at += bytes.length;
  }
  return out;
}

/** The partial that `encodeBlocked` made the bytes of. @param bytes blockedBytes of these shapes, from the start of their buffer */
export function decodeBlocked(batch: number, groups: number, rowValues: number, bytes: Uint8Array<ArrayBuffer>): BlockedPartial {
  invariant(bytes.byteOffset === 0 && bytes.length === blockedBytes(batch, groups, rowValues), 'the bytes are those of a partial');
  const doubles = new Float64Array(bytes.buffer, 0, HEADER_DOUBLES + 4 * batch + batch * rowValues);
  const [count, firstBlock, lastBlock] = doubles;
  const arrayAt = (i: number): Float64Array => doubles.slice(HEADER_DOUBLES + i * batch, HEADER_DOUBLES + (i + 1) * batch);
  const size = groupedBytes(batch, groups, rowValues);
  const groupedAt = (i: number): GroupedPartial => {
    const from = doubles.byteLength + i * size;
    return decodeGrouped(arrayAt(i), groups, rowValues, bytes.slice(from, from + size));
  };
  const open = [{ block: firstBlock!, partial: groupedAt(1) }, ...(count === 2 ? [{ block: lastBlock!, partial: groupedAt(2) }] : [])];
  return { whole: groupedAt(0), closed: arrayAt(3), means: doubles.slice(HEADER_DOUBLES + 4 * batch), open };
}
