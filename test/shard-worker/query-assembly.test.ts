import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryAssembly } from '../../shard-worker/query-assembly.js';
import type { GolddiffError } from '../../shared/errors.js';

const bytesOf = (array: Float32Array | Float64Array): Uint8Array => new Uint8Array(array.buffer.slice(0));

test('pieces cut anywhere give the values, in either dtype', () => {
  const values = [1, -2.5, 3, 0.125, -1, 7];
  for (const dtype of ['F32', 'F64'] as const) {
    const bytes = bytesOf(dtype === 'F32' ? Float32Array.from(values) : Float64Array.from(values));
    for (const size of [1, 3, 5, 8, 100]) {
      const assembly = new QueryAssembly(2, 3, dtype);
      for (let from = 0; from < bytes.length; from += size) {
        assert.equal(assembly.complete, false);
        assembly.add(bytes.subarray(from, from + size));
      }
      assembly.checkComplete();
      assert.deepEqual([...assembly.x], values);
    }
  }
});

test('too few bytes, too many and values that are not finite are refused, naming the place', () => {
  const refused = (field: string) => (error: GolddiffError) => error.code === 'TENSOR_INVALID' && error.data.field === field;
  const short = new QueryAssembly(2, 3, 'F32');
  short.add(new Uint8Array(23));
  assert.throws(() => short.checkComplete(), refused('x'));
  assert.throws(() => short.add(new Uint8Array(2)), refused('x'));
  for (const bad of [NaN, Infinity, -1e31]) {
    assert.throws(() => new QueryAssembly(3, 2, 'F64').add(bytesOf(Float64Array.of(0, 1, 2, bad, 4, 5))), refused('x[1]'));
  }
});
