import assert from 'node:assert/strict';
import { test } from 'node:test';

import { decodeFloats, decodeTensor, encodeRows } from '../../client/typed-tensor.js';

test('values survive the way out and back, from a view that starts anywhere', () => {
  for (const values of [Float32Array.of(9, 1, -2, 3, 4).subarray(1), Float64Array.of(9, 1, -2, 3, 4).subarray(1)]) {
    const tensor = encodeRows('x', values, [2, 2]);
    // One byte before, as a decoded message has it: typed arrays must not depend on alignment.
    const data = Buffer.concat([Buffer.alloc(1), tensor.data as Buffer]).subarray(1);
    const back = decodeTensor('x0hat', { dtype: tensor.dtype as 'F32', shape: [2, 2], data });
    assert.deepEqual(back.values, values.slice());
  }
});

test('half floats are widened', () => {
  const data = Buffer.from(Uint16Array.of(0x3c00, 0xc000, 0x3800).buffer);
  assert.deepEqual(decodeFloats('x0hat', { dtype: 'F16', shape: [1, 3], data }).values, Float32Array.of(1, -2, 0.5));
});

test('a shape that disagrees with the values is refused', () => {
  assert.throws(() => encodeRows('x', new Float32Array(5), [1, 4]), {
    message: 'Expected 4 values, as shape [1, 4] says, for x but received 5',
  });
  assert.throws(() => encodeRows('x', new Float32Array(4), [4]), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => encodeRows('x', [1, 2] as unknown as Float32Array, [1, 2]), { code: 'ARGUMENT_INVALID' });
});

test('bytes that disagree with the shape of an answer, and bytes where floats belong, are refused', () => {
  assert.throws(() => decodeTensor('x0hat', { dtype: 'F32', shape: [2], data: Buffer.alloc(7) }), { code: 'TENSOR_INVALID' });
  assert.throws(() => decodeFloats('x0hat', { dtype: 'U8', shape: [2], data: Buffer.alloc(2) }), { code: 'TENSOR_INVALID' });
  assert.throws(() => decodeTensor('x0hat', { dtype: 'DTYPE_UNSPECIFIED', shape: [2], data: Buffer.alloc(2) }), { code: 'TENSOR_INVALID' });
});
