/** The queries of a step, put together from the pieces of x as they come, straight into shared memory as doubles. */

import { expectation, GolddiffError } from '../shared/errors.js';
import { DATA_PLANE_CHUNK_BYTES, QUERY_VALUE_MAX } from '../shared/limits.js';

export class QueryAssembly {
  /** [B, D] on shared memory */
  readonly x: Float64Array<SharedArrayBuffer>;
  readonly #valueBytes: 4 | 8;
  readonly #rowValues: number;
  #filled = 0;
  /** bytes of a value that a chunk cut in two */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(batch: number, rowValues: number, dtype: 'F32' | 'F64') {
    this.#valueBytes = dtype === 'F32' ? 4 : 8;
    this.#rowValues = rowValues;
    this.x = new Float64Array(new SharedArrayBuffer(batch * rowValues * 8));
  }

  get complete(): boolean {
    return this.#filled === this.x.length && this.#rest.length === 0;
  }

  get receivedBytes(): number {
    return this.#filled * this.#valueBytes + this.#rest.length;
  }

  /** Bytes of x in all. */
  get expectedBytes(): number {
    return this.x.length * this.#valueBytes;
  }

  /** Takes the next piece. @throws TENSOR_INVALID for more bytes than x has, or for a value that is not finite, naming its query */
  add(data: Uint8Array): void {
    const total = this.receivedBytes + data.length;
    if (total > this.expectedBytes) throw invalid('x', `${this.expectedBytes} bytes in all`, `${total} bytes`);
    const length = this.#rest.length + data.length;
    const bytes = alignedBytes(length);
    bytes.set(this.#rest);
    bytes.set(data, this.#rest.length);
    const count = Math.floor(length / this.#valueBytes);
    const values = this.#valueBytes === 4 ? new Float32Array(bytes.buffer, 0, count) : new Float64Array(bytes.buffer, 0, count);
    const x = this.x;
    const filled = this.#filled;
    for (let i = 0; i < count; i++) {
      const value = values[i]!;
      if (!(Math.abs(value) <= QUERY_VALUE_MAX)) {
        throw invalid(`x[${Math.floor((this.#filled + i) / this.#rowValues)}]`, 'finite values of at most 1e30', `${value}`);
      }
      x[filled + i] = value;
    }
    this.#filled += count;
    this.#rest = bytes.slice(count * this.#valueBytes, length);
  }

  /** @throws TENSOR_INVALID where x is not there in full */
  checkComplete(): void {
    if (!this.complete) throw invalid('x', `${this.expectedBytes} bytes before the first request of the step`, `${this.receivedBytes} bytes`);
  }
}

/** Pieces lie anywhere in a network buffer; one place for all to be aligned in, since a fresh one for each would be most of the collector's work. */
let scratch = new Uint8Array(DATA_PLANE_CHUNK_BYTES);

/** At least `length` bytes, for use until the next call. */
function alignedBytes(length: number): Uint8Array<ArrayBuffer> {
  if (length <= scratch.length) return scratch;
  // A peer with other pieces; the place grows only to what our own coordinators send and the rest of one value.
  const bytes = new Uint8Array(length);
  if (length <= DATA_PLANE_CHUNK_BYTES + 8) scratch = bytes;
  return bytes;
}

function invalid(field: string, expected: string, received: string): GolddiffError {
  return new GolddiffError('TENSOR_INVALID', expectation(field, expected, { toString: () => received }), { field });
}
