/**
 * Plain typed arrays to tensors and back. Tensors are little-endian, as is every machine that Node runs on.
 */

import type { Tensor, Tensor__Output } from '../proto/generated/golddiff/v1/Tensor.js';
import { argumentError, GolddiffError } from '../shared/errors.js';
import { float16ToNumber } from '../shared/math/half-float.js';

export type FloatArray = Float32Array | Float64Array;

/**
 * Queries or noise as a tensor: no copy is made, so the values must not change until the call is sent.
 * Throws ARGUMENT_INVALID where the shape is not [B, D] or [B, C, H, W], or has another number of values.
 */
export function encodeRows(field: string, values: FloatArray, shape: readonly number[]): Tensor {
  if (!(values instanceof Float32Array) && !(values instanceof Float64Array))
    throw argumentError(field, 'a Float32Array or Float64Array', typeof values);
  if (shape.length !== 2 && shape.length !== 4) throw argumentError(`${field}.shape`, '[B, D] or [B, C, H, W]', [...shape]);
  const wanted = shape.reduce((product, n) => product * n, 1);
  if (wanted !== values.length) throw argumentError(field, `${wanted} values, as shape [${shape.join(', ')}] says,`, values.length);
  return {
    dtype: values instanceof Float32Array ? 'F32' : 'F64',
    shape: [...shape],
    data: Buffer.from(values.buffer, values.byteOffset, values.byteLength),
  };
}

const VALUE_BYTES = { F32: 4, F64: 8, F16: 2, U8: 1 } as const;

/** Values of an answer on memory of their own. F16 is widened to Float32Array. Throws TENSOR_INVALID where bytes and shape disagree. */
export function decodeTensor(field: string, tensor: Tensor__Output): { values: Float32Array | Float64Array | Uint8Array; shape: number[] } {
  const { dtype, shape, data } = tensor;
  if (dtype === 'DTYPE_UNSPECIFIED') throw new GolddiffError('TENSOR_INVALID', `Expected a dtype for ${field} but received none`, { field });
  const wanted = shape.reduce((product, n) => product * n, 1) * VALUE_BYTES[dtype];
  if (wanted !== data.byteLength)
    throw new GolddiffError('TENSOR_INVALID', `Expected ${wanted} bytes for ${field} but received ${data.byteLength}`, { field });
  const bytes = Uint8Array.from(data);
  if (dtype === 'U8') return { values: bytes, shape };
  if (dtype === 'F32') return { values: new Float32Array(bytes.buffer), shape };
  if (dtype === 'F64') return { values: new Float64Array(bytes.buffer), shape };
  return { values: Float32Array.from(new Uint16Array(bytes.buffer), float16ToNumber), shape };
}

/** As decodeTensor, for a field that holds floats. */
export function decodeFloats(field: string, tensor: Tensor__Output): { values: FloatArray; shape: number[] } {
  const { values, shape } = decodeTensor(field, tensor);
  if (values instanceof Uint8Array) throw new GolddiffError('TENSOR_INVALID', `Expected floats for ${field} but received U8`, { field });
  return { values, shape };
}
