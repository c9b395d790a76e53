import assert from 'node:assert/strict';
import { test } from 'node:test';

import { encodeScoreRequest, listOf } from '../../client/score-call.js';

const x = new Float64Array(8);

test('a timestep and a pair of levels encode as the one noise that the proto has', () => {
  assert.deepEqual(encodeScoreRequest({ x, shape: [2, 4], t: [3, 5], schedule: 'ddpm-cosine' }).timesteps, { schedule: 'DDPM_COSINE', t: [3, 5] });
  const request = encodeScoreRequest({ x, shape: [2, 4], alpha: 1, sigma: [0.5, 2] });
  assert.deepEqual(request.levels, { alpha: [1], sigma: [0.5, 2] });
  assert.equal(request.timesteps, undefined);
  assert.equal(request.x?.dtype, 'F64');
});

test('both noises, half of one, or none are refused', () => {
  for (const noise of [{ t: 1, sigma: 2 }, { alpha: 1 }, {}])
    assert.throws(() => encodeScoreRequest({ x, shape: [2, 4], ...noise }), { code: 'ARGUMENT_INVALID' });
});

test('a timestep that the wire would cut to another one is refused', () => {
  for (const t of [1.5, -1, NaN, 2 ** 32]) assert.throws(() => encodeScoreRequest({ x, shape: [2, 4], t }), { code: 'ARGUMENT_INVALID' });
});

test('words that are none are refused with those that are', () => {
  assert.throws(() => encodeScoreRequest({ x, shape: [2, 4], t: 1, denoiser: 'best' as 'optimal' }), {
    message: 'Expected one of optimal, wiener, patch, patch-equivariant, pca for denoiser but received "best"',
  });
});

test('one value stands for all, a list for each, nothing for none', () => {
  assert.deepEqual([listOf(3), listOf([1, 2]), listOf(undefined)], [[3], [1, 2], []]);
});
