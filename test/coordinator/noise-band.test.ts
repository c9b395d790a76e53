import assert from 'node:assert/strict';
import { test } from 'node:test';
import { noiseBand } from '../../coordinator/noise-band.js';
import { noiseLevelAt, TIMESTEPS } from '../../shared/math/noise-schedule.js';

test('every timestep of the DDPM linear schedule lies in its own band', () => {
  for (let t = 0; t < TIMESTEPS; t++) {
    const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
    const [from, to] = noiseBand(alpha, sigma).split('-').map(Number);
    assert.ok(t >= from! && t <= to!, `${t} in ${from}-${to}`);
  }
});

test('the ratio alone decides, and less noise than the first or more than the last timestep has counts as theirs', () => {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', 450);
  assert.equal(noiseBand(3 * alpha, 3 * sigma), '400-499');
  assert.equal(noiseBand(1, 0.002), '0-99');
  assert.equal(noiseBand(1e-9, 1), '900-999');
});
