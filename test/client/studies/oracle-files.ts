/** An oracle's folder, made by the tests that read it. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { npyHeader, writeNpy } from '../../../shared/dataset/npy.js';

export interface OracleArrays {
  /** [T, B, D] */
  readonly x: Float64Array;
  readonly x0hat: Float64Array;
  readonly shape: readonly number[];
  readonly timesteps?: readonly number[];
  readonly noise?: Float64Array;
}

/** Timesteps as i8, which is what numpy and torch have by default. */
export async function writeOracle(dir: string, { x, x0hat, shape, timesteps, noise }: OracleArrays): Promise<void> {
  await writeNpy(path.join(dir, 'x_t.npy'), x, shape);
  await writeNpy(path.join(dir, 'x0hat.npy'), x0hat, shape);
  if (noise !== undefined) await writeNpy(path.join(dir, 'noise.npy'), noise, shape.slice(1));
  if (timesteps !== undefined) await writeTimesteps(dir, timesteps);
}

export async function writeTimesteps(dir: string, timesteps: readonly number[]): Promise<void> {
  const values = Buffer.from(BigInt64Array.from(timesteps, BigInt).buffer);
  const header = npyHeader('f8', [timesteps.length]);
  // Both are eight bytes wide, so only the name of the type differs.
  header.write(header.toString('latin1').replace("'<f8'", "'<i8'"), 'latin1');
  await writeFile(path.join(dir, 'timesteps.npy'), Buffer.concat([header, values]));
}
