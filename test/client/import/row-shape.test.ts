import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockRows, checkRowShape } from '../../../client/import/row-shape.js';

test('a block is about a megabyte and never less than a row', () => {
  assert.equal(blockRows(784), 1337);
  assert.equal(blockRows(1 << 20), 1);
  assert.equal(blockRows(12_582_912), 1);
});

test('no rows, too many rows and rows too long are refused at the byte that says so', () => {
  checkRowShape('f', 4, 1, [3, 1024, 1024]);
  assert.throws(() => checkRowShape('f', 4, 0, [1, 2, 3]), {
    code: 'FILE_INVALID',
    message: 'Expected 1 to 4294967295 rows for f at byte 4 but received 0',
  });
  assert.throws(() => checkRowShape('f', 4, 2 ** 32, [1, 2, 3]), { code: 'FILE_INVALID' });
  assert.throws(() => checkRowShape('f', 4, 5, [3, 1024, 1025]), {
    message: /rows of 1 to 3145728 values for f at byte 4 but received "\[3, 1024, 1025\]"/,
  });
  assert.throws(() => checkRowShape('f', 4, 5, [0, 2, 3]), { code: 'FILE_INVALID' });
});
