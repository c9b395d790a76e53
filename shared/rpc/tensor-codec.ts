/**
 * Arrays to and from the Tensor message. What comes in is checked whole before anything is computed with it, and the sentence of a refusal names
 * the field by its path in the request: `x.dtype`, `x.shape[1]`, `x.data`, or the query (`x[3]`) that holds a NaN.
 */

import { endianness } from 'node:os';
import type { Tensor, Tensor__Output } from '../../proto/generated/golddiff/v1/Tensor.js';
import { GolddiffError, expectation, invariant } from '../errors.js';
import { float16ToNumber, numberToFloat16 } from '../math/half-float.js';

export type TensorDType = 'F32' | 'F16' | 'U8' | 'F64';

export const BYTES_PER_VALUE: Readonly<Record<TensorDType, number>> = { F32: 4, F16: 2, U8: 1, F64: 8 };

// Tensors are little-endian on the wire and typed arrays follow the processor; every one that Node supports and we ship for agrees.
invariant(endianness() === 'LE', 'tensors are copied as they lie in memory, which must be little-endian');

export interface RowsExpected {
  /** [C, H, W] of the data set */
  readonly shape: readonly [number, number, number] | readonly number[];
  /** B at most */
  readonly batchMax: number;
}

export interface DecodedRows {
  /** B */
  readonly batch: number;
  /** [B, D] */
  readonly values: Float64Array<ArrayBuffer>;
  /** came as [B, C, H, W] rather than [B, D] */
  readonly rank4: boolean;
  readonly dtype: 'F32' | 'F16' | 'F64';
}

/**
 * Queries: [B, D] or [B, C, H, W], F32, F64 or F16, finite, B in 1 .. batchMax. The values are a copy; the message may be dropped.
 * Errors: TENSOR_INVALID with the field. Cost: one pass over the data.
 */
export function decodeRows(tensor: Tensor__Output | null | undefined, field: string, expected: RowsExpected): DecodedRows {
  if (tensor === null || tensor === undefined) throw refused(field, 'a tensor', 'nothing');
  const dtype = tensor.dtype;
  if (dtype !== 'F32' && dtype !== 'F64' && dtype !== 'F16') throw refused(`${field}.dtype`, 'F32, F64 or F16', dtype);
  const shape = tensor.shape;
  const [C = 1, H = 1, W = 1] = expected.shape;
  const D = C * H * W;
  const rank4 = shape.length === 4;
  if (shape.length !== 2 && !rank4) throw refused(`${field}.shape`, `[B, ${D}] or [B, ${C}, ${H}, ${W}]`, `[${shape.join(', ')}]`);
  const batch = shape[0] ?? 0;
  if (!(batch >= 1 && batch <= expected.batchMax)) throw refused(`${field}.shape[0]`, `1 to ${expected.batchMax} queries`, batch);
  const wanted = rank4 ? [C, H, W] : [D];
  wanted.forEach((size, i) => {
    if (shape[i + 1] !== size) throw refused(`${field}.shape[${i + 1}]`, String(size), shape[i + 1]);
  });
  const bytes = batch * D * BYTES_PER_VALUE[dtype];
  if (tensor.data.byteLength !== bytes)
    throw refused(`${field}.data`, `${bytes} bytes (${shape.join(' x ')} of ${dtype})`, `${tensor.data.byteLength}`);
  const values = toFloat64(tensor.data, dtype, batch * D);
  for (let b = 0; b < batch; b++) {
    for (let i = b * D, end = i + D; i < end; i++) {
      const value = values[i] as number;
      if (value - value !== 0) throw refused(`${field}[${b}]`, 'finite values', `${value} at value ${i - b * D}`);
    }
  }
  return { batch, values, rank4, dtype };
}

export interface DecodedTensor {
  readonly dtype: TensorDType;
  readonly shape: readonly number[];
  /** U8 as stored, F32 as is, F64 as is, F16 widened to F32; a copy, aligned */
  readonly values: Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
}

/** Any tensor as it was sent, for a caller who knows what it should be. Errors: TENSOR_INVALID. */
export function decodeTensor(tensor: Tensor__Output | null | undefined, field: string): DecodedTensor {
  if (tensor === null || tensor === undefined) throw refused(field, 'a tensor', 'nothing');
  const dtype = tensor.dtype;
  if (!isTensorDType(dtype)) throw refused(`${field}.dtype`, 'F32, F64, F16 or U8', dtype);
  if (tensor.shape.length === 0 || tensor.shape.some((size) => !(size >= 1)))
    throw refused(`${field}.shape`, 'sizes of at least 1', `[${tensor.shape.join(', ')}]`);
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  const bytes = count * BYTES_PER_VALUE[dtype];
  if (tensor.data.byteLength !== bytes)
    throw refused(`${field}.data`, `${bytes} bytes (${tensor.shape.join(' x ')} of ${dtype})`, `${tensor.data.byteLength}`);
  const shape = [...tensor.shape];
  if (dtype === 'F64') return { dtype, shape, values: toFloat64(tensor.data, dtype, count) };
  if (dtype === 'U8') return { dtype, shape, values: Uint8Array.from(tensor.data) };
  if (dtype === 'F32') return { dtype, shape, values: new Float32Array(aligned(tensor.data)) };
  return { dtype, shape, values: Float32Array.from(toFloat64(tensor.data, dtype, count)) };
}

/**
 * The values in the given dtype. U8 takes bytes as they are, and numbers in the data's range [-1, 1] as the nearest byte. A float array that already
 * has the dtype is not copied: leave it alone until the message has gone.
 */
export function encodeTensor(values: Float64Array | Float32Array | Uint8Array, shape: readonly number[], dtype: TensorDType): Tensor {
  const count = shape.reduce((product, size) => product * size, 1);
  invariant(values.length === count, `a tensor of shape [${shape.join(', ')}] has ${count} values, not ${values.length}`);
  return { dtype, shape: [...shape], data: toBytes(values, dtype) };
}

export function isTensorDType(text: string): text is TensorDType {
  return Object.hasOwn(BYTES_PER_VALUE, text);
}

function toBytes(values: Float64Array | Float32Array | Uint8Array, dtype: TensorDType): Buffer {
  if (dtype === 'U8') return bytesOf(values instanceof Uint8Array ? values : Uint8Array.from(values, byteOf));
  invariant(!(values instanceof Uint8Array), 'bytes are sent as U8');
  if (dtype === 'F32') return bytesOf(values instanceof Float32Array ? values : Float32Array.from(values));
  if (dtype === 'F64') return bytesOf(values instanceof Float64Array ? values : Float64Array.from(values));
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = numberToFloat16(values[i]!);
  return bytesOf(bits);
}

/** Byte u that stands for the value nearest to u / 127.5 - 1. */
function byteOf(value: number): number {
  return Math.min(255, Math.max(0, Math.round((value + 1) * 127.5)));
}

function toFloat64(data: Uint8Array, dtype: 'F32' | 'F16' | 'F64', count: number): Float64Array<ArrayBuffer> {
  const memory = aligned(data);
  if (dtype === 'F64') return new Float64Array(memory);
  if (dtype === 'F32') return Float64Array.from(new Float32Array(memory));
  const bits = new Uint16Array(memory);
  const values = new Float64Array(count);
  for (let i = 0; i < count; i++) values[i] = float16ToNumber(bits[i] as number);
  return values;
}

/** Message bytes lie anywhere in a network buffer; typed arrays want multiples of their element size. */
function aligned(data: Uint8Array): ArrayBuffer {
  const copy = new ArrayBuffer(data.byteLength);
  new Uint8Array(copy).set(data);
  return copy;
}

function bytesOf(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

function refused(field: string, expected: string, received: unknown): GolddiffError {
  return new GolddiffError('TENSOR_INVALID', expectation(field, expected, unquoted(received)), { field });
}

/** What was received is a number or a word of ours here; quotes would only hide that. */
function unquoted(received: unknown): { toString(): string } {
  return { toString: () => String(received) };
}
