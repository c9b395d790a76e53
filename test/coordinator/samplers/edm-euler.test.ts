import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ddim } from '../../../coordinator/samplers/ddim.js';
import { edmEuler } from '../../../coordinator/samplers/edm-euler.js';
import { gaussianRun, largestDifference } from './closed-form.js';

test('Euler in scaled space is deterministic DDIM, for every schedule', async (t) => {
  for (const schedule of ['DDPM_LINEAR', 'DDPM_COSINE', 'EDM'] as const) {
    const difference = largestDifference(await edmEuler(gaussianRun({ schedule, steps: 25 })), await ddim(gaussianRun({ schedule, steps: 25 })));
    t.diagnostic(`${schedule}: ${difference.toExponential(1)}`);
    // The same formula in another order: rounding of 25 steps from values up to 80 sigma.
    assert.ok(difference < 1e-11);
  }
});

test('a single point is found exactly', async () => {
  assert.ok((await edmEuler(gaussianRun({ schedule: 'EDM', steps: 6, mean: 0.25, width: 0 }))).every((value) => value === 0.25));
});
