/**
 * The inner loops of the reference backend: plain loops over typed arrays, in double, that V8 compiles to straight scalar code.
 *
 * Rows are first spread into a tile of doubles, once for all queries that share an alpha; then each query runs over four rows of the tile at a time.
 * Four rows give four independent sums, which hides the latency of the addition; each sum still adds its terms one by one in index order, so the value
 * of a (query, row) pair is the same whatever it is blocked with. Tried on a 2-core server, D = 784, 32 queries: four rows x one query 2.4 G
 * multiply-adds/s a thread, x two queries 2.4, x four queries 2.2 (registers spill), so the simplest stays.
 */

export type RowValues = Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;
export type TileFill = (values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number) => void;

/*
 * One loop per element type: a loop that has seen several kinds of array looks the kind up at every element.
 */
function fillU8(values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number): void {
  const source = values as Uint8Array;
  for (let p = 0; p < length; p++) tile[to + p] = scale * source[from + p]!;
}
function fillU16(values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number): void {
  const source = values as Uint16Array;
  for (let p = 0; p < length; p++) tile[to + p] = scale * source[from + p]!;
}
function fillU32(values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number): void {
  const source = values as Uint32Array;
  for (let p = 0; p < length; p++) tile[to + p] = scale * source[from + p]!;
}
function fillF32(values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number): void {
  const source = values as Float32Array;
  for (let p = 0; p < length; p++) tile[to + p] = scale * source[from + p]!;
}
function fillF64(values: RowValues, from: number, scale: number, tile: Float64Array, to: number, length: number): void {
  const source = values as Float64Array;
  for (let p = 0; p < length; p++) tile[to + p] = scale * source[from + p]!;
}

/** The loop that writes scale * values[from ..] into the tile at `to`, for one kind of array. */
export function tileFillOf(values: RowValues): TileFill {
  if (values instanceof Uint8Array) return fillU8;
  if (values instanceof Uint16Array) return fillU16;
  if (values instanceof Uint32Array) return fillU32;
  return values instanceof Float32Array ? fillF32 : fillF64;
}

/**
 * Squared distances of one query to four rows of a tile: out[r] = sum_p (q[qo + p] - tile[or + p])^2.
 *
 * Double throughout; each sum runs over p ascending, one rounding per subtraction, product and sum: relative error at most (length + 2) 2^-53
 * of the sum of squares. Cost: 12 flop per value of the query.
 */
export function squaredDistances4(
  tile: Float64Array,
  o0: number,
  o1: number,
  o2: number,
  o3: number,
  q: Float64Array,
  qo: number,
  length: number,
  out: Float64Array,
): void {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let p = 0; p < length; p++) {
    const v = q[qo + p]!;
    const d0 = v - tile[o0 + p]!;
    const d1 = v - tile[o1 + p]!;
    const d2 = v - tile[o2 + p]!;
    const d3 = v - tile[o3 + p]!;
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  out[0] = s0;
  out[1] = s1;
  out[2] = s2;
  out[3] = s3;
}

/** sums[so + p] += w * tile[o + p]. */
export function addRow1(tile: Float64Array, o: number, w: number, sums: Float64Array, so: number, length: number): void {
  for (let p = 0; p < length; p++) sums[so + p] = sums[so + p]! + w * tile[o + p]!;
}

/** Four rows added one after the other, with the bits of four calls of addRow1, in one pass over the sums. Cost: 8 flop per value. */
export function addRow4(
  tile: Float64Array,
  o0: number,
  o1: number,
  o2: number,
  o3: number,
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  sums: Float64Array,
  so: number,
  length: number,
): void {
  for (let p = 0; p < length; p++) {
    let y = sums[so + p]!;
    y += w0 * tile[o0 + p]!;
    y += w1 * tile[o1 + p]!;
    y += w2 * tile[o2 + p]!;
    y += w3 * tile[o3 + p]!;
    sums[so + p] = y;
  }
}

/** Tile of about this many bytes: it should stay in the second-level cache beside the queries. */
const TILE_BYTES = 128 * 1024;
const TILE_ROWS_MIN = 4;
const TILE_ROWS_MAX = 256;

/** Rows in a tile, a multiple of four; a function of the row's length alone. */
export function tileRows(rowValues: number): number {
  const fitting = Math.floor(TILE_BYTES / (8 * Math.max(1, rowValues)) / 4) * 4;
  return Math.max(TILE_ROWS_MIN, Math.min(TILE_ROWS_MAX, fitting));
}
