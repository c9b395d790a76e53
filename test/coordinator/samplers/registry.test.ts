import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SAMPLERS } from '../../../coordinator/samplers/registry.js';
import { gaussianRun } from './closed-form.js';

test('every sampler makes as many scores as it announces', async () => {
  for (const entry of Object.values(SAMPLERS)) {
    for (const steps of [1, 2, 9]) {
      const run = gaussianRun({ schedule: entry.schedule, steps });
      await entry.sampler(run);
      assert.equal(run.scored.length, entry.evaluations(steps));
    }
  }
});
