import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wiener } from '../../../coordinator/denoisers/wiener.js';
import { queryOf } from './query.js';

test('levels become ratios', () => {
  assert.deepEqual(wiener.plan(queryOf([0.6, 0.8])), {
    route: 'gaussian',
    ratio: Float64Array.of((0.6 / 0.8) ** 2, (0.8 / Math.sqrt(1 - 0.8 * 0.8)) ** 2),
  });
});

test('a golden subset, blocks of rows and a temperature are refused: it has neither rows nor weights', () => {
  assert.throws(() => wiener.plan(queryOf([0.5], { golden: true })), { code: 'ARGUMENT_INVALID', message: /retrieval.kind/ });
  assert.throws(() => wiener.plan(queryOf([0.5], { blocks: true })), { code: 'ARGUMENT_INVALID', message: /retrieval.aggregator/ });
  assert.throws(() => wiener.plan(queryOf([0.5], { temperature: 2 })), { code: 'ARGUMENT_INVALID', message: /temperature/ });
});
