/**
 * The trajectories of a neural denoiser, as any training code can write them: a folder of npy arrays.
 *     x_t.npy        [T, B, D] or [T, B, C, H, W]  f4 or f8: what the denoiser was given at each step, in the data's range scaled as x = alpha * image + sigma * noise
 *     x0hat.npy      the same shape: the clean image that it predicted, in [-1, 1] (not its noise)
 *     timesteps.npy  [T] whole numbers, falling: timesteps of --schedule; or levels.npy [T, 2] f4 or f8: alpha and sigma of each step
 *     noise.npy      [B, D] or [B, C, H, W], may be left out: the x that its sampler started from, where that is not x_t[0]
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { npyElementBytes, readNpy, readNpyHeader, type NpyArray } from '../../shared/dataset/npy.js';
import { fileError, GolddiffError } from '../../shared/errors.js';
import { noiseLevelAt, noiseShare, TIMESTEPS, type PathPoint, type Schedule } from '../../shared/math/noise-schedule.js';
import type { FloatArray } from '../typed-tensor.js';

export interface Oracle {
  /** [T], noise falling */
  readonly levels: readonly PathPoint[];
  /** B */
  readonly count: number;
  /** D */
  readonly size: number;
  /** [B, D] at step i */
  readonly xAt: (step: number) => FloatArray;
  /** [B, D] at step i */
  readonly x0hatAt: (step: number) => FloatArray;
  /** [B, D] */
  readonly firstX: FloatArray;
}

/** Where the header of an .npy file states its shape. */
const SHAPE_OFFSET_BYTES = 10;

/** Throws FILE_INVALID naming the file that is missing or does not fit; `shape` is the data set's [C, H, W]. */
export async function readOracle(dir: string, schedule: Schedule, shape: readonly number[]): Promise<Oracle> {
  const size = shape.reduce((product, n) => product * n, 1);
  const x = await readFloats(path.join(dir, 'x_t.npy'));
  const [steps = 0, count = 0] = x.shape;
  const wanted = [[steps, count, size].join(), [steps, count, ...shape].join()];
  if (!wanted.includes(x.shape.join()) || steps < 1 || count < 1)
    throw fileError(path.join(dir, 'x_t.npy'), SHAPE_OFFSET_BYTES, `shape [T, B, ${size}] or [T, B, ${shape.join(', ')}]`, x.shape);
  const x0hat = await readFloats(path.join(dir, 'x0hat.npy'), wanted);
  const noise = (await exists(path.join(dir, 'noise.npy')))
    ? await readFloats(path.join(dir, 'noise.npy'), [[count, size].join(), [count, ...shape].join()])
    : undefined;
  const levels = await readLevels(dir, schedule, steps);
  const at =
    (array: FloatArray) =>
    (step: number): FloatArray =>
      array.subarray(step * count * size, (step + 1) * count * size);
  return { levels, count, size, xAt: at(x.data), x0hatAt: at(x0hat.data), firstX: noise?.data ?? at(x.data)(0) };
}

type FloatNpy = NpyArray & { readonly data: FloatArray };

/** @param shapes any of these, joined by commas; default: any */
async function readFloats(file: string, shapes?: readonly string[]): Promise<FloatNpy> {
  const array = await readNpy(file);
  if (array.data instanceof Uint8Array) throw fileError(file, SHAPE_OFFSET_BYTES, 'f4 or f8', 'u1');
  if (shapes !== undefined && !shapes.includes(array.shape.join()))
    throw fileError(file, SHAPE_OFFSET_BYTES, `shape [${shapes.map((each) => each.replaceAll(',', ', ')).join('] or [')}]`, array.shape);
  const bad = array.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    throw new GolddiffError('FILE_INVALID', `Expected finite values for ${file} but received ${array.data[bad]} at place ${bad}`, { file });
  return array as FloatNpy;
}

async function readLevels(dir: string, schedule: Schedule, steps: number): Promise<PathPoint[]> {
  const pairs = path.join(dir, 'levels.npy');
  const file = (await exists(pairs)) ? pairs : path.join(dir, 'timesteps.npy');
  let levels: PathPoint[];
  if (file === pairs) {
    const { data } = await readFloats(pairs, [`${steps},2`]);
    levels = Array.from({ length: steps }, (_, i) => ({ t: steps - 1 - i, alpha: data[2 * i]!, sigma: data[2 * i + 1]! }));
    const bad = levels.findIndex(({ alpha, sigma }) => !(alpha > 0 && sigma > 0));
    if (bad >= 0)
      throw new GolddiffError(
        'FILE_INVALID',
        `Expected alpha and sigma above 0 for ${file}[${bad}] but received ${levels[bad]!.alpha} and ${levels[bad]!.sigma}`,
        { file },
      );
  } else {
    const values = await readWholeNumbers(file, steps);
    levels = values.map((t, i) => {
      if (!Number.isInteger(t) || t < 0 || t >= TIMESTEPS)
        throw new GolddiffError('FILE_INVALID', `Expected a whole number from 0 to ${TIMESTEPS - 1} for ${file}[${i}] but received ${t}`, { file });
      return { t, ...noiseLevelAt(schedule, t) };
    });
  }
  const rising = levels.findIndex((level, i) => i > 0 && noiseShare(level) >= noiseShare(levels[i - 1]!));
  if (rising > 0)
    throw new GolddiffError(
      'FILE_INVALID',
      `Expected falling noise, as a sampler runs, for ${file} but step ${rising} has no less than the one before`,
      { file },
    );
  return levels;
}

/** [T] of i4, i8, f4, f8 or u1. */
async function readWholeNumbers(file: string, steps: number): Promise<number[]> {
  const { dtype, shape, offsetBytes } = await readNpyHeader(file, ['i4', 'i8', 'f4', 'f8', 'u1']);
  if (shape.length !== 1 || shape[0] !== steps)
    throw fileError(file, SHAPE_OFFSET_BYTES, `shape [${steps}], a timestep for each step of x_t,`, [...shape]);
  const bytes = (await readFile(file)).subarray(offsetBytes);
  const width = npyElementBytes(dtype);
  const read = {
    i4: (at: number) => bytes.readInt32LE(at),
    i8: (at: number) => Number(bytes.readBigInt64LE(at)),
    f4: (at: number) => bytes.readFloatLE(at),
    f8: (at: number) => bytes.readDoubleLE(at),
    u1: (at: number) => bytes.readUInt8(at),
  }[dtype];
  return Array.from({ length: steps }, (_, i) => read(i * width));
}

async function exists(file: string): Promise<boolean> {
  return readNpyHeader(file, ['i4', 'i8', 'f4', 'f8', 'u1']).then(
    () => true,
    (thrown: unknown) => {
      const missing = thrown instanceof GolddiffError && (thrown.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
      if (missing) return false;
      throw thrown;
    },
  );
}
