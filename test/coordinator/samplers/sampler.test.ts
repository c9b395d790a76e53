import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SAMPLERS } from '../../../coordinator/samplers/registry.js';
import { checkRun } from '../../../coordinator/samplers/sampler.js';
import { gaussianRun } from './closed-form.js';

test('an empty path or an x of another size is a fault of the program', () => {
  const run = gaussianRun({ schedule: 'EDM', steps: 2 });
  checkRun(run);
  assert.throws(() => checkRun({ ...run, path: [] }), /Invariant/);
  assert.throws(() => checkRun({ ...run, x: new Float64Array(3) }), /Invariant/);
});

test('every sampler goes on from an x that the denoiser has rounded', async () => {
  for (const { sampler, schedule } of Object.values(SAMPLERS)) {
    const run = gaussianRun({ schedule, steps: 4 });
    const queries: boolean[] = [];
    await sampler({
      ...run,
      denoise: (x, level, step) => {
        queries.push(x === run.x);
        x.forEach((value, i) => (x[i] = Math.fround(value)));
        return run.denoise(x, level, step);
      },
    });
    assert.ok(queries.every(Boolean), 'the state itself is scored');
  }
});
