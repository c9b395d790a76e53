import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edmEuler } from '../../../coordinator/samplers/edm-euler.js';
import { edmHeun } from '../../../coordinator/samplers/edm-heun.js';
import { samplingPath } from '../../../shared/math/noise-schedule.js';
import { gaussianRun, largestDifference } from './closed-form.js';

test('Heun converges to the probability flow at second order and beats Euler', async (t) => {
  const error = async (steps: number): Promise<number> => {
    const run = gaussianRun({ schedule: 'EDM', steps });
    return largestDifference(await edmHeun(run), run.flowEnd);
  };
  // The last level is sigma = 0.002: what is left from there to 0 is below 2e-5 and not the method's.
  const [coarse, fine] = [await error(16), await error(32)];
  const euler = gaussianRun({ schedule: 'EDM', steps: 32 });
  const eulerError = largestDifference(await edmEuler(euler), euler.flowEnd);
  t.diagnostic(`error ${coarse.toExponential(1)} at 16 steps, ${fine.toExponential(1)} at 32; Euler ${eulerError.toExponential(1)}`);
  assert.ok(coarse / fine > 3);
  assert.ok(fine < eulerError / 5);
});

test('T levels take 2T - 1 scores, the second of a step at the next level', async () => {
  const run = gaussianRun({ schedule: 'DDPM_LINEAR', steps: 4 });
  await edmHeun(run);
  const path = samplingPath('DDPM_LINEAR', 4).map((level) => level.t);
  assert.deepEqual(
    run.scored.map(({ level, step }) => [level.t, step]),
    [
      [path[0], 0],
      [path[1], 0],
      [path[1], 1],
      [path[2], 1],
      [path[2], 2],
      [path[3], 2],
      [path[3], 3],
    ],
  );
});

test('a single point is found exactly', async () => {
  assert.ok((await edmHeun(gaussianRun({ schedule: 'EDM', steps: 6, mean: 0.25, width: 0 }))).every((value) => value === 0.25));
});
