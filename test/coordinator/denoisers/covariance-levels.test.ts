import assert from 'node:assert/strict';
import { test } from 'node:test';
import { covarianceLevels } from '../../../coordinator/denoisers/covariance-levels.js';
import { PREPARED_LEVELS_MAX } from '../../../shared/limits.js';
import { queryOf } from './query.js';

test('levels of one ratio are one, whatever their scale', () => {
  const query = queryOf([0.5, 0.5]);
  const scaled = { ...query, alpha: Float64Array.of(1, 2), sigma: Float64Array.of(4, 8) };
  assert.deepEqual(covarianceLevels(scaled), { ratio: Float64Array.of(16, 16), kinds: [16], of: Uint32Array.of(0, 0) });
});

test('too many levels, a level without noise and rows without end are refused', () => {
  const many = Array.from({ length: PREPARED_LEVELS_MAX + 1 }, (_, i) => 0.1 + i / 100);
  covarianceLevels(queryOf(many.slice(1)));
  assert.throws(() => covarianceLevels(queryOf(many)), { code: 'ARGUMENT_INVALID', message: /different levels/ });
  assert.throws(() => covarianceLevels(queryOf([0.5, 1e-6])), { code: 'ARGUMENT_INVALID', message: /sigma\[1\]/ });
  assert.throws(() => covarianceLevels(queryOf([0.5], { shape: [3, 64, 64] })), { code: 'UNSUPPORTED', message: /4096 values/ });
});
