import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byteRows, LOW_UNIT, wholeRows, wordBias } from '../../../../shard-worker/backends/tfjs/row-words.js';

test('three bytes share a word, the last words are filled with bytes that count as 0, and squares are those of the bytes less 128', () => {
  const values = Uint8Array.of(0, 255, 128, 7, 9, 1, 2, 3, 4, 5);
  const { words, width, squares, divisor, offset } = byteRows(values, 2, 5);
  assert.equal(width, 2);
  assert.deepEqual([...words], [0 + 256 * 128 + 65536 * 9, 255 + 256 * 7 + 65536 * 128, 1 + 256 * 3 + 65536 * 5, 2 + 256 * 4 + 65536 * 128]);
  assert.equal(squares[0], 128 ** 2 + 127 ** 2 + 0 + 121 ** 2 + 119 ** 2);
  for (const u of [0, 1, 128, 255]) assert.ok(Math.abs((u - 128) / divisor + offset - (u / 127.5 - 1)) < 1e-15);
});

test('whole numbers are kept as they are, in two bytes where they fit', () => {
  for (const [largest, wordBytes] of [
    [32_000, 2],
    [40_000, 3],
    [8_000_000, 3],
  ] as const) {
    const values = [0, largest, 2 * largest, 17];
    const rows = wholeRows(values, 2, 2, { divisor: 10, offset: -1, middle: largest, whole: true });
    assert.deepEqual([rows.wordBytes, rows.lines], [wordBytes, 1]);
    values.forEach((v, k) => {
      const V = rows.words[k]! - wordBias(wordBytes);
      assert.equal(V, v - largest);
      assert.ok(Math.abs(V / rows.divisor + rows.offset - (v / 10 - 1)) < 1e-9);
    });
    assert.equal(rows.squares[0], largest ** 2);
  }
});

test('numbers that are not whole have a second word, and come back within 2^-46 of the largest', () => {
  const values = Float32Array.of(0.7, -1.3, 1e-5, 0, 3.1, -3.1);
  const rows = wholeRows(values, 2, 3, { divisor: 1, offset: 0, middle: 0, whole: false });
  assert.equal(rows.lines, 2);
  values.forEach((v, k) => {
    const at = Math.floor(k / 3) * 6 + (k % 3);
    const [high, low] = [rows.words[at]! - wordBias(3), rows.words[at + 3]! - wordBias(3)];
    assert.ok([rows.words[at]!, rows.words[at + 3]!].every((word) => word >= 0 && word < 2 ** 24));
    assert.ok(Math.abs((high + low * LOW_UNIT) / rows.divisor - v) <= 2 ** -46 * 3.1);
  });
  assert.ok(wholeRows(new Float32Array(3), 1, 3, { divisor: 1, offset: 0, middle: 0, whole: false }).squares[0] === 0, 'rows of zeros');
});
