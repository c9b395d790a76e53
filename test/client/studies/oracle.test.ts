import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';

import { readOracle } from '../../../client/studies/oracle.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { noiseLevelAt } from '../../../shared/math/noise-schedule.js';
import { temporaryFolder } from '../../support/data-sets.js';
import { writeOracle, writeTimesteps } from './oracle-files.js';

const SHAPE = [1, 2, 2];
const T = 3;
const B = 2;
const values = (offset: number): Float64Array => Float64Array.from({ length: T * B * 4 }, (_, i) => (i + offset) / 100);

async function folder(): Promise<string> {
  const dir = temporaryFolder();
  await writeOracle(dir, { x: values(0), x0hat: values(1), shape: [T, B, 4], timesteps: [900, 400, 0] });
  return dir;
}

test('arrays are read step by step, timesteps as levels of the schedule', async () => {
  const oracle = await readOracle(await folder(), 'DDPM_LINEAR', SHAPE);
  assert.deepEqual([oracle.count, oracle.size], [B, 4]);
  assert.deepEqual(
    oracle.levels,
    [900, 400, 0].map((t) => ({ t, ...noiseLevelAt('DDPM_LINEAR', t) })),
  );
  assert.deepEqual([...oracle.xAt(1)], [...values(0).subarray(8, 16)]);
  assert.deepEqual([...oracle.x0hatAt(2)], [...values(1).subarray(16, 24)]);
  assert.deepEqual(oracle.firstX, oracle.xAt(0), 'the sampler starts where the oracle was first asked');
});

test('images may have their shape, timesteps any type of number, and the first noise its own file', async () => {
  const dir = await folder();
  await writeOracle(dir, { x: values(0), x0hat: values(1), shape: [T, B, ...SHAPE], noise: new Float64Array(8).fill(0.25) });
  for (const array of [Float32Array.of(900, 400, 0), Float64Array.of(900, 400, 0)]) {
    await writeNpy(path.join(dir, 'timesteps.npy'), array, [T]);
    const oracle = await readOracle(dir, 'DDPM_LINEAR', SHAPE);
    assert.deepEqual([oracle.levels[1]?.t, oracle.firstX[0], oracle.xAt(0)[0]], [400, 0.25, 0]);
  }
});

test('levels may be given as alpha and sigma, for schedules that have no name here', async () => {
  const dir = await folder();
  await rm(path.join(dir, 'timesteps.npy'));
  await writeNpy(path.join(dir, 'levels.npy'), Float64Array.of(1, 80, 1, 2, 1, 0.1), [T, 2]);
  const { levels } = await readOracle(dir, 'DDPM_LINEAR', SHAPE);
  assert.deepEqual(levels, [
    { t: 2, alpha: 1, sigma: 80 },
    { t: 1, alpha: 1, sigma: 2 },
    { t: 0, alpha: 1, sigma: 0.1 },
  ]);
  await writeNpy(path.join(dir, 'levels.npy'), Float64Array.of(1, 80, 1, 2, 1, 0), [T, 2]);
  await assert.rejects(readOracle(dir, 'DDPM_LINEAR', SHAPE), { code: 'FILE_INVALID', message: /alpha and sigma above 0 for .*levels\.npy\[2\]/ });
});

test('what does not fit is refused by the file that is wrong', async () => {
  const refused = async (change: (dir: string) => Promise<unknown>, message: RegExp): Promise<void> => {
    const dir = await folder();
    await change(dir);
    await assert.rejects(readOracle(dir, 'DDPM_LINEAR', SHAPE), { code: 'FILE_INVALID', message });
  };
  const at = (dir: string, name: string): string => path.join(dir, `${name}.npy`);
  await refused((dir) => rm(at(dir, 'x_t')), /a readable \.npy file for .*x_t\.npy/);
  await refused((dir) => rm(at(dir, 'timesteps')), /timesteps\.npy but received "ENOENT"/);
  await refused((dir) => writeNpy(at(dir, 'x_t'), new Float64Array(30), [3, 2, 5]), /shape \[T, B, 4\] or \[T, B, 1, 2, 2\].*\[3, 2, 5\]/);
  await refused((dir) => writeNpy(at(dir, 'x_t'), new Float64Array(8), [2, 4]), /shape \[T, B, 4\]/);
  await refused(
    (dir) => writeNpy(at(dir, 'x0hat'), new Float64Array(16), [2, 2, 4]),
    /x0hat\.npy at byte 10 .*\[2, 2, 4\]|shape \[3, 2, 4\] .*x0hat/,
  );
  await refused((dir) => writeNpy(at(dir, 'x0hat'), new Uint8Array(24), [3, 2, 4]), /f4 or f8 for .*x0hat/);
  await refused((dir) => writeNpy(at(dir, 'x_t'), new Float64Array(24).fill(NaN), [3, 2, 4]), /finite values for .*x_t.* at place 0/);
  await refused((dir) => writeNpy(at(dir, 'noise'), new Float64Array(4), [1, 4]), /shape \[2, 4\] .*noise/);
  await refused((dir) => writeTimesteps(dir, [900, 400]), /shape \[3\], a timestep for each step of x_t, for .*timesteps/);
  await refused((dir) => writeTimesteps(dir, [1000, 400, 0]), /from 0 to 999 for .*timesteps\.npy\[0\] but received 1000/);
  await refused((dir) => writeTimesteps(dir, [0, 400, 900]), /falling noise, as a sampler runs, for .* but step 1 /);
  await refused((dir) => writeNpy(at(dir, 'timesteps'), Float64Array.of(900.5, 1, 0), [3]), /whole number .* received 900\.5/);
});
