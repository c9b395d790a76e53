import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ddim, transitionVariance } from '../../../coordinator/samplers/ddim.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';
import { gaussianRun, largestDifference } from './closed-form.js';

const levelAt = (t: number) => ({ t, ...noiseLevelAt('DDPM_LINEAR', t) });

test('over a single point every path ends at that point', async () => {
  for (const schedule of ['DDPM_LINEAR', 'DDPM_COSINE', 'EDM'] as const) {
    for (const eta of [0, 0.5, 1]) {
      const run = gaussianRun({ schedule, steps: 7, mean: -0.4, width: 0, eta });
      assert.ok((await ddim(run)).every((value) => value === -0.4));
    }
  }
});

test('the deterministic path converges to the probability flow at first order', async (t) => {
  for (const schedule of ['DDPM_LINEAR', 'EDM'] as const) {
    const error = async (steps: number): Promise<number> => {
      const run = gaussianRun({ schedule, steps });
      return largestDifference(await ddim(run), run.flowEnd);
    };
    const [coarse, fine] = [await error(100), await error(200)];
    t.diagnostic(`${schedule}: error ${coarse.toExponential(1)} at 100 steps, ${fine.toExponential(1)} at 200`);
    // A first-order method halves its error; half is 2, and the spacing of a schedule moves that a little.
    assert.ok(coarse / fine > 1.7 && coarse / fine < 2.5);
    assert.ok(fine < 0.02);
  }
});

test('eta 1 has the variance of the forward posterior and eta 0 has none', () => {
  const [from, to] = [levelAt(500), levelAt(400)];
  const abar = from.alpha ** 2;
  const abarTo = to.alpha ** 2;
  const posterior = ((1 - abarTo) / (1 - abar)) * (1 - abar / abarTo);
  assert.ok(Math.abs(transitionVariance(from, to, 1) / posterior - 1) < 1e-9);
  assert.equal(transitionVariance(from, to, 0), 0);
  assert.ok(Math.abs(transitionVariance(from, to, 0.5) / posterior - 0.25) < 1e-9);
});

test('the variance stays within [0, sigma^2] of the next level', () => {
  const to = { t: 0, alpha: 1, sigma: 0.1 };
  assert.equal(transitionVariance({ t: 1, alpha: 1, sigma: 0.05 }, to, 1), 0);
  assert.ok(transitionVariance({ t: 1, alpha: 1, sigma: 80 }, to, 1) <= 0.01);
});

test('one step is one score and gives its posterior mean', async () => {
  const run = gaussianRun({ schedule: 'DDPM_LINEAR', steps: 1 });
  const expected = await run.denoise(run.x, run.path[0]!, 0);
  assert.deepEqual(await ddim(run), expected);
  assert.equal(run.scored.length, 2);
});
