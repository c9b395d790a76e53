/**
 * Rows as float32 words, since TensorFlow.js has no 8-bit tensors: a float32 holds every integer below 2^24, thus three bytes. 8-bit rows go three values to a
 * word, 1.33 bytes a value; others (float rows, proxies) one value to a word, as an integer of 24 bits. Arithmetic that is exact in float32 takes them apart again.
 *
 * A row's value is y = V / divisor + offset. Of 8-bit rows V is the byte less 128. Others have V = 65536 h + 256 m + l of planes h, m and l that are bytes less 128,
 * and where they are no whole numbers a second word with three planes more, so that a float32 keeps its bits.
 */

import { PLANE_MAX } from './digits.js';

export interface RowWords {
  /** n */
  readonly rows: number;
  /** D */
  readonly rowValues: number;
  /** words in a line: ceil(D / 3) with three values each, value p in word p mod width; else D */
  readonly width: number;
  readonly packed: boolean;
  /** bytes of a word that is one value */
  readonly wordBytes: 2 | 3;
  /** [n, lines, width]; the second line counts LOW_UNIT */
  readonly words: Float32Array;
  readonly lines: 1 | 2;
  /** [n] sum V^2 */
  readonly squares: Float64Array;
  readonly divisor: number;
  readonly offset: number;
}

/** u = V + 128 stands for u / 127.5 - 1. */
const BYTE_DIVISOR = 127.5;
export const BYTES_IN_WORD = 3;
/** What one of the second word is worth: half a unit of the first is 2^22 of it. */
export const LOW_UNIT = 2 ** -23;

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
  const stands = { divisor: BYTE_DIVISOR, offset: PLANE_MAX / BYTE_DIVISOR - 1 };
  return { rows, rowValues, width, packed: true, wordBytes: 3, lines: 1, words, squares, ...stands };
}

/** What is added to an integer so that the bytes of its word are those of its planes plus 128. */
export function wordBias(wordBytes: 2 | 3): number {
  return wordBytes === 2 ? PLANE_MAX * 257 : PLANE_MAX * 65793;
}
/** Largest integer whose word stays below 256^wordBytes. */
function largestOf(wordBytes: 2 | 3): number {
  return 256 ** wordBytes - 1 - wordBias(wordBytes);
}

/**
 * Numbers v that stand for v / divisor + offset, about `middle`: V = (v - middle) / unit, unit a power of two. Whole numbers below 2^23 are kept as they are in one word;
 * others have two, and are off by at most 2^-46 of the largest.
 */
export function wholeRows(
  values: ArrayLike<number>,
  rows: number,
  rowValues: number,
  stands: { readonly divisor: number; readonly offset: number; readonly middle: number; readonly whole: boolean },
): RowWords {
  const { middle, whole } = stands;
  let largest = 0;
  for (let k = 0; k < values.length; k++) largest = Math.max(largest, Math.abs(values[k]! - middle));
  const wordBytes = whole && largest <= largestOf(2) ? 2 : 3;
  const lines = whole && largest <= largestOf(3) ? 1 : 2;
  const unit = lines === 1 || largest === 0 ? 1 : 2 ** Math.ceil(Math.log2(largest / largestOf(wordBytes)));
  const bias = wordBias(wordBytes);
  const words = new Float32Array(rows * lines * rowValues);
  const squares = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let p = 0; p < rowValues; p++) {
      const V = (values[i * rowValues + p]! - middle) / unit;
      const high = Math.round(V);
      const low = Math.round((V - high) / LOW_UNIT);
      const at = i * lines * rowValues + p;
      words[at] = high + bias;
      if (lines === 2) words[at + rowValues] = low + bias;
      sum += (high + low * LOW_UNIT) ** 2;
    }
    squares[i] = sum;
  }
  const own = { divisor: stands.divisor / unit, offset: middle / stands.divisor + stands.offset };
  return { rows, rowValues, width: rowValues, packed: false, wordBytes, lines, words, squares, ...own };
}
