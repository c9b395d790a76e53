/**
 * Sums of values and of their products over the rows of a partition. Bytes: each row adds its values that are not 0, so that pictures of ink on
 * nothing cost a fraction of D^2; rows with few zeros go through a transposed block whose inner loop runs over rows. Both add integers and agree exactly.
 */

import { emptyMoments, packedLength, type MomentSums } from '../../../shared/math/moment-sums.js';

export interface MomentRows {
  readonly rows: number;
  readonly rowValues: number;
  /** [n, D] */
  readonly values: Uint8Array | Float32Array;
  /** [n] */
  readonly labels: Int32Array;
}

const BLOCK_ROWS = 128;
/** Products of the values that are not 0 cost about three times as much each as those of a whole block. */
const SPARSE_SHARE = 1 / 3;
/** Multiply-adds between two yields: a few milliseconds. */
const YIELD_PRODUCTS = 4_000_000;

/**
 * @param label rows of it only; -1 = all
 * Yields every few milliseconds of work, and returns the sums. Cost: n D^2 / 2 multiply-adds at most.
 */
export function* partitionMoments({ rows, rowValues: D, values, labels }: MomentRows, label: number): Generator<void, MomentSums> {
  const moments = emptyMoments(D);
  let n = 0;
  const block = new Uint32Array(BLOCK_ROWS);
  for (let row = 0; row < rows;) {
    let count = 0;
    for (; row < rows && count < BLOCK_ROWS; row++) if (label === -1 || labels[row] === label) block[count++] = row;
    if (count === 0) break;
    n += count;
    const chosen = block.subarray(0, count);
    if (values instanceof Uint8Array && isSparse(values, D, chosen)) addSparse(values, D, chosen, moments);
    else yield* addDense(values, D, chosen, moments);
    yield;
  }
  return { ...moments, rows: n };
}

/** Work of addSparse against that of addDense. */
function isSparse(values: Uint8Array, D: number, rows: Uint32Array): boolean {
  let products = 0;
  for (const row of rows) {
    let inked = 0;
    for (let p = row * D; p < (row + 1) * D; p++) if (values[p] !== 0) inked++;
    products += inked * inked;
  }
  return products < SPARSE_SHARE * rows.length * D * D;
}

function addSparse(values: Uint8Array, D: number, rows: Uint32Array, { sum, products }: MomentSums): void {
  const places = new Uint32Array(D);
  const inks = new Float64Array(D);
  for (const row of rows) {
    let inked = 0;
    for (let p = 0; p < D; p++) {
      const value = values[row * D + p]!;
      if (value === 0) continue;
      places[inked] = p;
      inks[inked++] = value;
    }
    for (let i = 0; i < inked; i++) {
      const p = places[i]!;
      const ink = inks[i]!;
      const line = packedLength(p);
      sum[p] = sum[p]! + ink;
      for (let j = 0; j <= i; j++) {
        const at = line + places[j]!;
        products[at] = products[at]! + ink * inks[j]!;
      }
    }
  }
}

function* addDense(values: Uint8Array | Float32Array, D: number, rows: Uint32Array, moments: MomentSums): Generator<void, void> {
  const n = rows.length;
  const columns = new Float64Array(D * n);
  rows.forEach((row, i) => {
    for (let p = 0; p < D; p++) columns[p * n + i] = values[row * D + p]!;
  });
  let products = 0;
  for (let p = 0; p < D; p++) {
    addColumn(columns, n, p, moments);
    products += n * (p + 1);
    if (products < YIELD_PRODUCTS) continue;
    products = 0;
    yield;
  }
}

/** Products of column p with those up to it, four at a time: four independent sums, and one read of column p for all. */
function addColumn(columns: Float64Array, n: number, p: number, { sum, products }: MomentSums): void {
  const a = p * n;
  let total = 0;
  for (let i = 0; i < n; i++) total += columns[a + i]!;
  sum[p] = sum[p]! + total;
  const line = packedLength(p);
  let q = 0;
  for (; q + 4 <= p + 1; q += 4) {
    const b = q * n;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let i = 0; i < n; i++) {
      const v = columns[a + i]!;
      s0 += v * columns[b + i]!;
      s1 += v * columns[b + n + i]!;
      s2 += v * columns[b + 2 * n + i]!;
      s3 += v * columns[b + 3 * n + i]!;
    }
    products[line + q] = products[line + q]! + s0;
    products[line + q + 1] = products[line + q + 1]! + s1;
    products[line + q + 2] = products[line + q + 2]! + s2;
    products[line + q + 3] = products[line + q + 3]! + s3;
  }
  for (; q <= p; q++) {
    let s = 0;
    for (let i = 0; i < n; i++) s += columns[a + i]! * columns[q * n + i]!;
    products[line + q] = products[line + q]! + s;
  }
}
