/** Rows in the memory of a device, and what takes them apart there. */

import { GolddiffError } from '../../../shared/errors.js';
import { PLANE_MAX } from './digits.js';
import { BYTES_IN_WORD, LOW_UNIT, wordBias, type RowWords } from './row-words.js';
import type { Tensor, TensorDevice, TensorOps } from './tensor-ops.js';

/** One plane of some rows: integers in [-128, 127]. */
export interface Plane {
  /** [r, planeWidth] */
  readonly tensor: Tensor;
  /** what one of it is worth */
  readonly scale: number;
}

/** Indices of tensors are 32-bit. */
const WORDS_MAX = 2 ** 31 - 1;

/** Tensors that its methods make are the caller's: call them inside tidy. */
export class DeviceRows {
  readonly ops: TensorOps;
  readonly rows: number;
  /** D */
  readonly rowValues: number;
  /** D, or a little more where the last words are not full: those values are 0 */
  readonly planeWidth: number;
  readonly squares: Float64Array;
  readonly divisor: number;
  readonly offset: number;
  readonly tileRows: number;
  readonly bytes: number;
  readonly #words: Tensor;
  readonly #width: number;
  readonly #packed: boolean;
  readonly #wordBytes: 2 | 3;
  readonly #lines: 1 | 2;

  /** @throws LIMIT_EXCEEDED for more words than a tensor has indices */
  constructor(device: TensorDevice, { rows, rowValues, width, packed, wordBytes, lines, words, squares, divisor, offset }: RowWords) {
    if (words.length > WORDS_MAX)
      throw new GolddiffError('LIMIT_EXCEEDED', `Expected partitions of up to ${WORDS_MAX} words for TensorFlow.js but received ${words.length}`);
    this.ops = device.ops;
    this.rows = rows;
    this.rowValues = rowValues;
    this.planeWidth = packed ? width * BYTES_IN_WORD : width;
    this.squares = squares;
    this.divisor = divisor;
    this.offset = offset;
    this.tileRows = Math.max(1, Math.floor(device.tileValues / this.planeWidth));
    this.bytes = words.byteLength + squares.byteLength;
    this.#width = width;
    this.#packed = packed;
    this.#wordBytes = wordBytes;
    this.#lines = lines;
    this.#words = this.ops.tensor(words, [rows, lines * width], 'float32');
  }

  /** Words of consecutive rows. */
  range(first: number, count: number): Tensor {
    return this.ops.slice(this.#words, [first, 0], [count, this.#lines * this.#width]);
  }

  /** Words of rows by index. */
  chosen(rows: Uint32Array): Tensor {
    return this.ops.gather(this.#words, this.ops.tensor(Int32Array.from(rows), [rows.length], 'int32'));
  }

  planes(words: Tensor): Plane[] {
    const { ops } = this;
    const middle = ops.scalar(PLANE_MAX);
    if (this.#packed) return [{ tensor: ops.sub(ops.concat(this.#bytes(words), 1), middle), scale: 1 }];
    return this.#ofLines(words).flatMap(({ line, unit }) =>
      this.#bytes(line).map((tensor, k) => ({ tensor: ops.sub(tensor, middle), scale: unit * 256 ** k })),
    );
  }

  /** [r, D] V in float32, exact. */
  values(words: Tensor): Tensor {
    const { ops } = this;
    if (!this.#packed) {
      const bias = ops.scalar(wordBias(this.#wordBytes));
      return this.#ofLines(words)
        .map(({ line, unit }) => ops.mul(ops.sub(line, bias), ops.scalar(unit)))
        .reduce((sum, part) => ops.add(sum, part));
    }
    const [plane] = this.planes(words);
    const { tensor } = plane!;
    return this.planeWidth === this.rowValues ? tensor : ops.slice(tensor, [0, 0], [tensor.shape[0]!, this.rowValues]);
  }

  dispose(): void {
    this.#words.dispose();
  }

  #ofLines(words: Tensor): { line: Tensor; unit: number }[] {
    if (this.#lines === 1) return [{ line: words, unit: 1 }];
    const size = [words.shape[0]!, this.#width];
    return [1, LOW_UNIT].map((unit, k) => ({ line: this.ops.slice(words, [0, k * this.#width], size), unit }));
  }

  /** Bytes of the words, lowest first: quotients by powers of two and their floors are exact. */
  #bytes(words: Tensor): Tensor[] {
    const { ops } = this;
    const count = this.#wordBytes;
    const bytes: Tensor[] = [];
    let rest = words;
    for (let k = 1; k < count; k++) {
      const above = ops.floor(ops.mul(rest, ops.scalar(1 / 256)));
      bytes.push(ops.sub(rest, ops.mul(above, ops.scalar(256))));
      rest = above;
    }
    return [...bytes, rest];
  }
}
