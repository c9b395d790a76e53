import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ddim } from '../../../coordinator/samplers/ddim.js';
import { ddpm } from '../../../coordinator/samplers/ddpm.js';
import { gaussianRun } from './closed-form.js';

test('ancestral sampling is DDIM with eta 1, whatever eta is given', async () => {
  const options = { schedule: 'DDPM_LINEAR', steps: 20 } as const;
  assert.deepEqual(await ddpm(gaussianRun({ ...options, eta: 0.2 })), await ddim(gaussianRun({ ...options, eta: 1 })));
});

test('ancestral samples have the mean and the width of the data', async (t) => {
  const values = await ddpm(gaussianRun({ schedule: 'DDPM_LINEAR', steps: 500, batch: 40, dim: 50 }));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const width = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
  t.diagnostic(`mean ${mean.toFixed(3)} (0.3), width ${width.toFixed(3)} (0.5)`);
  // 2000 values: standard errors are 0.011 and 0.008; four of them, and the bias of 500 steps.
  assert.ok(Math.abs(mean - 0.3) < 0.045);
  assert.ok(Math.abs(width - 0.5) < 0.04);
});

test('the noise of an image does not depend on the batch that it is in', async () => {
  const both = await ddpm(gaussianRun({ schedule: 'DDPM_LINEAR', steps: 5, batch: 2 }));
  const one = await ddpm(gaussianRun({ schedule: 'DDPM_LINEAR', steps: 5, batch: 1 }));
  assert.deepEqual(both.slice(0, 8), one);
});
