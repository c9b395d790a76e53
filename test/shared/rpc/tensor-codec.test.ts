import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Tensor__Output } from '../../../proto/generated/golddiff/v1/Tensor.js';
import { GolddiffError } from '../../../shared/errors.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';
import { decodeRows, decodeTensor, encodeTensor, type TensorDType } from '../../../shared/rpc/tensor-codec.js';

const EXPECTED = { shape: [2, 1, 3], batchMax: 4 } as const;
const D = 6;

function tensor(values: readonly number[], shape: readonly number[], dtype: TensorDType = 'F32'): Tensor__Output {
  return encodeTensor(Float64Array.from(values), shape, dtype) as Tensor__Output;
}

/** Through the wire, which gives the data an odd offset in a larger buffer. */
function overTheWire(sent: Tensor__Output): Tensor__Output {
  const { requestSerialize, requestDeserialize } = protoPackage.ScoreService.service.Score;
  const received = requestDeserialize(requestSerialize({ dataSet: 'abc', x: sent })).x;
  assert.ok(received !== null);
  return received;
}

function ramp(count: number): number[] {
  return Array.from({ length: count }, (_, i) => (i - 3) / 4);
}

describe('decodeRows', () => {
  for (const dtype of ['F32', 'F64', 'F16'] as const) {
    it(`reads ${dtype} of both ranks wherever the bytes lie`, () => {
      for (const batch of [1, 2, 3, 4]) {
        const flat = decodeRows(overTheWire(tensor(ramp(batch * D), [batch, D], dtype)), 'x', EXPECTED);
        assert.deepEqual([flat.batch, flat.rank4, flat.dtype], [batch, false, dtype]);
        assert.deepEqual([...flat.values], ramp(batch * D));
        const ranked = decodeRows(overTheWire(tensor(ramp(batch * D), [batch, 2, 1, 3], dtype)), 'x', EXPECTED);
        assert.equal(ranked.rank4, true);
        assert.deepEqual(ranked.values, flat.values);
      }
    });
  }

  it('gives values of its own', () => {
    const sent = tensor(ramp(D), [1, D]);
    const { values } = decodeRows(sent, 'x', EXPECTED);
    sent.data.fill(0xff);
    assert.deepEqual([...values], ramp(D));
  });

  const bad: [string, Tensor__Output | null, string, RegExp][] = [
    ['no tensor', null, 'x', /^Expected a tensor for x but received nothing$/],
    ['U8', { dtype: 'U8', shape: [1, D], data: Buffer.alloc(D) }, 'x.dtype', /^Expected F32, F64 or F16 for x\.dtype but received U8$/],
    ['no dtype', { dtype: 'DTYPE_UNSPECIFIED', shape: [1, D], data: Buffer.alloc(D) }, 'x.dtype', /DTYPE_UNSPECIFIED/],
    ['a dtype from the future', { dtype: 17 as unknown as 'F32', shape: [1, D], data: Buffer.alloc(D) }, 'x.dtype', /received 17$/],
    [
      'rank 1',
      { dtype: 'F32', shape: [D], data: Buffer.alloc(4 * D) },
      'x.shape',
      /^Expected \[B, 6\] or \[B, 2, 1, 3\] for x\.shape but received \[6\]$/,
    ],
    ['rank 0', { dtype: 'F32', shape: [], data: Buffer.alloc(4) }, 'x.shape', /received \[\]$/],
    ['rank 3', { dtype: 'F32', shape: [1, 2, 3], data: Buffer.alloc(24) }, 'x.shape', /received \[1, 2, 3\]$/],
    ['another D', { dtype: 'F32', shape: [1, 7], data: Buffer.alloc(28) }, 'x.shape[1]', /^Expected 6 for x\.shape\[1\] but received 7$/],
    ['another W', { dtype: 'F32', shape: [1, 2, 1, 4], data: Buffer.alloc(32) }, 'x.shape[3]', /^Expected 3 for x\.shape\[3\] but received 4$/],
    ['channels last', { dtype: 'F32', shape: [1, 1, 3, 2], data: Buffer.alloc(24) }, 'x.shape[1]', /^Expected 2 for x\.shape\[1\] but received 1$/],
    ['batch 0', { dtype: 'F32', shape: [0, D], data: Buffer.alloc(0) }, 'x.shape[0]', /^Expected 1 to 4 queries for x\.shape\[0\] but received 0$/],
    ['a batch over the limit', { dtype: 'F32', shape: [5, D], data: Buffer.alloc(120) }, 'x.shape[0]', /but received 5$/],
    [
      'a byte too few',
      { dtype: 'F32', shape: [2, D], data: Buffer.alloc(47) },
      'x.data',
      /^Expected 48 bytes \(2 x 6 of F32\) for x\.data but received 47$/,
    ],
    ['a byte too many', { dtype: 'F64', shape: [1, D], data: Buffer.alloc(49) }, 'x.data', /^Expected 48 bytes .* but received 49$/],
    ['no bytes', { dtype: 'F32', shape: [1, D], data: Buffer.alloc(0) }, 'x.data', /but received 0$/],
  ];
  for (const [what, sent, field, sentence] of bad) {
    it(`refuses ${what} and names ${field}`, () => {
      assert.throws(
        () => decodeRows(sent, 'x', EXPECTED),
        (error) => error instanceof GolddiffError && error.code === 'TENSOR_INVALID' && error.data.field === field && sentence.test(error.message),
      );
    });
  }

  for (const [value, dtype] of [
    [NaN, 'F32'],
    [Infinity, 'F64'],
    [-Infinity, 'F16'],
    [NaN, 'F16'],
  ] as const) {
    it(`names the query that holds ${value} in ${dtype}`, () => {
      const values = ramp(4 * D);
      values[3 * D + 5] = value;
      assert.throws(
        () => decodeRows(tensor(values, [4, D], dtype), 'x', EXPECTED),
        (error) =>
          error instanceof GolddiffError &&
          error.data.field === 'x[3]' &&
          error.message === `Expected finite values for x[3] but received ${value} at value 5`,
      );
    });
  }

  it('calls an F64 value that overflows F32 finite: the dtype sent is the dtype kept', () => {
    assert.equal(decodeRows(tensor([1e300, 0, 0, 0, 0, 0], [1, D], 'F64'), 'x', EXPECTED).values[0], 1e300);
  });
});

describe('encodeTensor and decodeTensor', () => {
  it('restore every value of every dtype', () => {
    fc.assert(
      fc.property(fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 50 }), (values) => {
        for (const dtype of ['F32', 'F64'] as const) {
          const back = decodeTensor(tensor(values, [values.length], dtype), 'x0hat');
          assert.deepEqual([...back.values], values);
          assert.equal(back.dtype, dtype);
        }
      }),
    );
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    assert.deepEqual(decodeTensor(encodeTensor(bytes, [16, 16], 'U8') as Tensor__Output, 'x').values, bytes);
  });

  it('stand for u / 127.5 - 1 where numbers go as bytes, cut to the range', () => {
    const all = Float64Array.from({ length: 256 }, (_, u) => u / 127.5 - 1);
    assert.deepEqual(
      [...(encodeTensor(all, [256], 'U8').data as Buffer)],
      Array.from({ length: 256 }, (_, u) => u),
    );
    assert.deepEqual([...(encodeTensor(Float32Array.of(-5, 5, -1, 1), [4], 'U8').data as Buffer)], [0, 255, 0, 255]);
  });

  it('round to the nearest half in F16', () => {
    const back = decodeTensor(tensor([1 / 3, 65_504, 1e-7], [3], 'F16'), 'x');
    // 11 significant bits: half an ulp is 2^-12 relative; the smallest subnormal is 2^-24.
    assert.ok(Math.abs((back.values[0] ?? 0) * 3 - 1) <= 2 ** -11);
    assert.equal(back.values[1], 65_504);
    assert.ok(Math.abs((back.values[2] ?? 0) - 1e-7) <= 2 ** -25);
  });

  it('do not copy a view into a larger buffer wrongly', () => {
    const memory = Float32Array.of(9, 1, 2, 9);
    assert.deepEqual([...decodeTensor(encodeTensor(memory.subarray(1, 3), [2], 'F32') as Tensor__Output, 'x').values], [1, 2]);
  });

  it('treat a count that disagrees with the shape as a bug when sending and as a refusal when receiving', () => {
    assert.throws(() => encodeTensor(new Float32Array(3), [2, 2], 'F32'), /Invariant broken/);
    assert.throws(() => encodeTensor(new Uint8Array(3), [3], 'F32'), /Invariant broken/);
    assert.throws(
      () => decodeTensor({ dtype: 'F32', shape: [2, 2], data: Buffer.alloc(12) }, 'x0hat'),
      /Expected 16 bytes \(2 x 2 of F32\) for x0hat\.data but received 12/,
    );
    assert.throws(() => decodeTensor({ dtype: 'F32', shape: [], data: Buffer.alloc(0) }, 'x0hat'), /x0hat\.shape/);
    assert.throws(() => decodeTensor({ dtype: 'F32', shape: [0], data: Buffer.alloc(0) }, 'x0hat'), /x0hat\.shape/);
    assert.throws(() => decodeTensor({ dtype: 'DTYPE_UNSPECIFIED', shape: [1], data: Buffer.alloc(1) }, 'x0hat'), /x0hat\.dtype/);
    assert.throws(() => decodeTensor(null, 'x0hat'), /Expected a tensor for x0hat but received nothing/);
  });
});
