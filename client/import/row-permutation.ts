/**
 * Which partition a row goes to: rows are dealt out by a seeded permutation of 0..N-1, so that every partition is a random sample of the data set
 * (the rank search of the coordinator counts on it) and sizes differ by at most one. An array of N positions would cost 4 N bytes and a shuffle;
 * a Feistel network over the next even number of bits is a permutation computed row by row, and walking its cycle until a value falls below N
 * restricts it to 0..N-1 (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002). At most 4 steps of the walk on average.
 */

import { invariant } from '../../shared/errors.js';

/** More than the four of a strong pseudo-random permutation: the round function is a mixer, not a cipher. */
const ROUNDS = 6;

export class RowPermutation {
  private readonly halfBits: number;
  private readonly mask: number;
  private readonly keys: Uint32Array;

  /** `rows` from 1 to 2^32 - 1, `seed` a safe integer from 0. */
  constructor(
    readonly rows: number,
    seed: number,
  ) {
    invariant(Number.isSafeInteger(rows) && rows >= 1 && rows < 2 ** 32, 'a permutation has 1 to 2^32 - 1 rows');
    let halfBits = 1;
    while (4 ** halfBits < rows) halfBits++;
    this.halfBits = halfBits;
    this.mask = 2 ** halfBits - 1;
    this.keys = Uint32Array.from({ length: ROUNDS }, (_, round) => mix(mix(mix(seed >>> 0) ^ Math.floor(seed / 2 ** 32)) + round));
  }

  /** Position of row i, both in 0..N-1. */
  position(row: number): number {
    let value = row;
    do value = this.encrypt(value);
    while (value >= this.rows);
    return value;
  }

  /** The partition of row i where partition p has the positions [floor(p N / P), floor((p + 1) N / P)). */
  partition(row: number, partitions: number): number {
    // The largest p with p N / P <= position, in whole numbers below 2^53.
    return Math.floor(((this.position(row) + 1) * partitions - 1) / this.rows);
  }

  private encrypt(value: number): number {
    let left = Math.floor(value / (this.mask + 1));
    let right = value & this.mask;
    for (const key of this.keys) {
      const next = left ^ (mix(right ^ key) & this.mask);
      left = right;
      right = next;
    }
    return left * (this.mask + 1) + right;
  }
}

/** Rows of partition p. */
export function partitionRows(rows: number, partitions: number, partition: number): number {
  return Math.floor(((partition + 1) * rows) / partitions) - Math.floor((partition * rows) / partitions);
}

/** 32-bit finalizer of MurmurHash3: every bit of the input reaches every bit of the output. */
function mix(value: number): number {
  let h = value >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
