/**
 * Rows as float32 words, since TensorFlow.js has no 8-bit tensors: a float32 holds every integer below 2^24, thus three bytes. 8-bit rows go three values to a
 * word, 1.33 bytes a value; others (float rows, proxies) one value to a word, as an integer of 24 bits. Arithmetic that is exact in float32 takes them apart again.
 *
 * A row's value is y = V / divisor + offset with V an integer: a byte less 128, or 65536 h + 256 m + l with planes h, m and l that are bytes less 128.
 */

import { PLANE_MAX } from './digits.js';

export interface RowWords {
  /** n */
  readonly rows: number;
  /** D */
  readonly rowValues: number;
  /** words in a row: ceil(D / 3) with three values each, value p in word p mod width; else D */
  readonly width: number;
  readonly packed: boolean;
  /** bytes of a word that is one value, 2 or 3; 1 where three values share a word */
  readonly planes: 1 | 2 | 3;
  /** [n, width] */
  readonly words: Float32Array;
  /** [n] sum V^2 */
  readonly squares: Float64Array;
  readonly divisor: number;
  readonly offset: number;
}

/** u = V + 128 stands for u / 127.5 - 1. */
const BYTE_DIVISOR = 127.5;
export const BYTES_IN_WORD = 3;

export function byteRows(values: Uint8Array, rows: number, rowValues: number): RowWords {
  const width = Math.ceil(rowValues / BYTES_IN_WORD);
  const words = new Float32Array(rows * width);
  const squares = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    const from = i * rowValues;
    let sum = 0;
    for (let p = 0; p < rowValues; p++) sum += (values[from + p]! - PLANE_MAX) ** 2;
    squares[i] = sum;
    // Behind the last value there are zeros: bytes of 128.
    for (let j = 0; j < width; j++) {
      const [first, second, third] = [j, j + width, j + 2 * width].map((p) => (p < rowValues ? values[from + p]! : PLANE_MAX));
      words[i * width + j] = first! + 256 * second! + 65536 * third!;
    }
  }
  return { rows, rowValues, width, packed: true, planes: 1, words, squares, divisor: BYTE_DIVISOR, offset: PLANE_MAX / BYTE_DIVISOR - 1 };
}

/** What is added to V so that its bytes are those of the planes plus 128. */
export function wordBias(planes: 2 | 3): number {
  return planes === 2 ? PLANE_MAX * 257 : PLANE_MAX * 65793;
}
/** Largest V whose word stays below 256^planes. */
function largestOf(planes: 2 | 3): number {
  return 256 ** planes - 1 - wordBias(planes);
}

/**
 * Numbers v that stand for v / divisor + offset, as integers of 24 bits about `middle`: V = round((v - middle) / unit), unit a power of two. Whole numbers of
 * less than 24 bits are kept as they are; others are off by at most 2^-24 of the largest.
 */
export function wholeRows(
  values: ArrayLike<number>,
  rows: number,
  rowValues: number,
  stands: { readonly divisor: number; readonly offset: number; readonly middle: number; readonly whole: boolean },
): RowWords {
  const { middle } = stands;
  let largest = 0;
  for (let k = 0; k < values.length; k++) largest = Math.max(largest, Math.abs(values[k]! - middle));
  const planes = stands.whole && largest <= largestOf(2) ? 2 : 3;
  const least = largest === 0 ? 1 : 2 ** Math.ceil(Math.log2(largest / largestOf(planes)));
  const unit = stands.whole ? Math.max(1, least) : least;
  const bias = wordBias(planes);
  const words = new Float32Array(rows * rowValues);
  const squares = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let k = i * rowValues; k < (i + 1) * rowValues; k++) {
      const V = Math.round((values[k]! - middle) / unit);
      words[k] = V + bias;
      sum += V * V;
    }
    squares[i] = sum;
  }
  const divisor = stands.divisor / unit;
  return { rows, rowValues, width: rowValues, packed: false, planes, words, squares, divisor, offset: middle / stands.divisor + stands.offset };
}
