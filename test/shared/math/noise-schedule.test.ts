import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialNoiseScale, noiseLevelAt, noiseShare, samplingPath } from '../../../shared/math/noise-schedule.js';

test('ddpm-linear agrees with the alpha bars of the published runs', (t) => {
  // From ../shared/goldens: computed there from float32 betas, so 2e-7 apart in abar, which is 2e-3 of 1 - abar at t = 0.
  const published: [number, number][] = [
    [900, 0.00027024451992474496],
    [500, 0.07779666036367416],
    [300, 0.3940110504627228],
    [0, 0.9998999834060669],
  ];
  let worst = 0;
  for (const [step, abar] of published) worst = Math.max(worst, Math.abs(noiseLevelAt('DDPM_LINEAR', step).alpha ** 2 / abar - 1));
  t.diagnostic(`worst relative difference of abar ${worst.toExponential(2)}`);
  assert.ok(worst < 1e-5);
});

test('variance-preserving schedules preserve the variance, and noise grows with t', () => {
  for (const schedule of ['DDPM_LINEAR', 'DDPM_COSINE'] as const) {
    let before = 0;
    for (let step = 0; step < 1000; step++) {
      const { alpha, sigma } = noiseLevelAt(schedule, step);
      assert.ok(Math.abs(alpha ** 2 + sigma ** 2 - 1) < 1e-14);
      assert.ok(sigma > before && alpha > 0, `${schedule} at ${step}`);
      before = sigma;
    }
  }
});

test('edm runs from .002 to 80', () => {
  assert.ok(Math.abs(noiseLevelAt('EDM', 0).sigma - 0.002) < 1e-15);
  assert.ok(Math.abs(noiseLevelAt('EDM', 999).sigma - 80) < 1e-11);
  const path = samplingPath('EDM', 18);
  assert.equal(path.length, 18);
  assert.ok(Math.abs(path[0]!.sigma - 80) < 1e-11 && Math.abs(path[17]!.sigma - 0.002) < 1e-15);
  assert.ok(path.every((p, i) => i === 0 || p.sigma < path[i - 1]!.sigma));
});

test('leading spacing gives the timesteps of the tables', () => {
  assert.deepEqual(
    samplingPath('DDPM_LINEAR', 10).map((p) => p.t),
    [900, 800, 700, 600, 500, 400, 300, 200, 100, 0],
  );
  assert.deepEqual(
    samplingPath('DDPM_COSINE', 3).map((p) => p.t),
    [666, 333, 0],
  );
  assert.equal(samplingPath('DDPM_LINEAR', 1000).length, 1000);
});

test('a timestep or a number of steps out of range is refused by name', () => {
  for (const bad of [-1, 1000, 1.5, NaN])
    assert.throws(() => noiseLevelAt('EDM', bad), /Expected an integer in 0\.\.999 for timesteps\.t but received/);
  for (const bad of [0, 1001, 2.5]) assert.throws(() => samplingPath('EDM', bad), /Expected an integer in 1\.\.1000 for steps but received/);
});

test('the noise share is sigma where the variance is preserved', () => {
  const level = noiseLevelAt('DDPM_LINEAR', 321);
  assert.ok(Math.abs(noiseShare(level) - level.sigma) < 1e-15);
  assert.ok(Math.abs(noiseShare({ alpha: 1, sigma: 1 }) - Math.SQRT1_2) < 1e-15);
  assert.deepEqual([initialNoiseScale('DDPM_LINEAR'), initialNoiseScale('EDM')], [1, 80]);
});
