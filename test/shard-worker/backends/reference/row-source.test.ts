import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullRows, poolQueries, proxyBytes, proxyRows } from '../../../../shard-worker/backends/reference/row-source.js';
import { proxyGeometry } from '../../../../shared/math/proxy.js';
import { generatePartition } from '../generated-partition.js';

const SHAPE = [2, 4, 6] as const;

test('8-bit proxies are exact block sums, and stand for the mean of the data values', () => {
  const { values } = generatePartition({ rows: 5, shape: SHAPE, dtype: 'u8', seed: 1 });
  const full = fullRows(values, 5, 48);
  const geometry = proxyGeometry(SHAPE, 2);
  const proxies = proxyRows(full, SHAPE, geometry);
  assert.ok(proxies.values instanceof Uint16Array);
  assert.equal(proxies.rowValues, 12);
  const y = Float64Array.from(values, (u) => u / 127.5 - 1);
  const pooled = poolQueries(y, 5, 48, SHAPE, geometry);
  pooled.forEach((mean, i) => {
    // Means of four values in [-1, 1]: a few roundings of 2^-53.
    assert.ok(Math.abs(proxies.values[i]! / proxies.divisor + proxies.offset - mean) < 1e-15);
  });
});

test('blocks whose sum outgrows 16 bits are kept in 32', () => {
  const shape = [1, 34, 17] as const;
  const white = new Uint8Array(new SharedArrayBuffer(34 * 17)).fill(255);
  const proxies = proxyRows(fullRows(white, 1, 34 * 17), shape, proxyGeometry(shape, 2));
  assert.ok(proxies.values instanceof Uint32Array);
  assert.deepEqual([...proxies.values], [17 * 17 * 255, 17 * 17 * 255]);
  assert.equal(proxies.values[0]! / proxies.divisor + proxies.offset, 1);
  assert.equal(proxyBytes(true, 1, proxyGeometry(shape, 2)), 8);
});

test('float rows are pooled to means in double', () => {
  const { values } = generatePartition({ rows: 3, shape: SHAPE, dtype: 'f32', seed: 1 });
  const geometry = proxyGeometry(SHAPE, 2);
  const proxies = proxyRows(fullRows(values, 3, 48), SHAPE, geometry);
  assert.deepStrictEqual(proxies.values, poolQueries(Float64Array.from(values), 3, 48, SHAPE, geometry));
  assert.equal(proxyBytes(false, 3, geometry), proxies.values.byteLength);
});

test('a pass over the rows can be left by throwing', () => {
  const { values } = generatePartition({ rows: 3, shape: SHAPE, dtype: 'u8', seed: 1 });
  const stop = (row: number): void => {
    if (row === 1) throw new Error('left');
  };
  assert.throws(() => proxyRows(fullRows(values, 3, 48), SHAPE, proxyGeometry(SHAPE, 2), stop), /left/);
});
