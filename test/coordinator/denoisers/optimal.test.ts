import assert from 'node:assert/strict';
import { test } from 'node:test';
import { optimal } from '../../../coordinator/denoisers/optimal.js';
import { queryOf } from './query.js';

test('one weight for each row, whatever the query', () => {
  assert.deepEqual(optimal.plan(queryOf([0.5, 0.1], { golden: true, temperature: 3 })), { route: 'rows' });
});
