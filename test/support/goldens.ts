/** The reference trajectories in test/fixtures/goldens; their README says what they are. */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../../shared/package-root.js';
import { readNpy, readNpyHeader } from '../../shared/dataset/npy.js';

export interface Golden {
  readonly name: string;
  readonly firstRow: number;
  readonly rows: number;
  readonly batch: number;
  readonly timesteps: readonly number[];
  readonly kMin: number;
  readonly kMax: number;
  readonly kT: readonly number[];
  readonly maskThreshold: number;
  readonly proxyResolution: number;
  /** [T] alpha and sigma of the float32 alpha bars that the public code used */
  readonly levels: readonly { readonly alpha: number; readonly sigma: number }[];
  /** [T, B, D] */
  readonly xt: Float64Array;
  /** [T, D] voters of each output value */
  readonly maskSizes: Int32Array;
  /** [T, B, D] what the pca denoiser answers at xt over the golden subset */
  readonly x0hat: Float64Array;
  /** [T, B, D] */
  readonly exactOptimal: Float64Array;
  /** [T, B] */
  readonly exactLogZ: Float64Array;
}

export const GOLDEN_NAMES = ['mnist2k_pca', 'mnist3k_pca_fewsteps'] as const;
export const GOLDEN_DIM = 784;

export async function loadGolden(name: string): Promise<Golden> {
  const at = (suffix: string): string => path.join(packageRoot, 'test/fixtures/goldens', `${name}.${suffix}`);
  const spec = JSON.parse(readFileSync(at('json'), 'utf8')) as {
    first_row: number;
    rows: number;
    batch: number;
    timesteps: number[];
    k_min: number;
    k_max: number;
    k_t: number[];
    mask_threshold: number;
    proxy_resolution: number;
    alpha_bar: number[];
  };
  const array = async (suffix: string): Promise<Float64Array> => Float64Array.from((await readNpy(at(`${suffix}.npy`))).data);
  return {
    name,
    firstRow: spec.first_row,
    rows: spec.rows,
    batch: spec.batch,
    timesteps: spec.timesteps,
    kMin: spec.k_min,
    kMax: spec.k_max,
    kT: spec.k_t,
    maskThreshold: spec.mask_threshold,
    proxyResolution: spec.proxy_resolution,
    levels: spec.alpha_bar.map((abar) => ({ alpha: Math.sqrt(abar), sigma: Math.sqrt(1 - abar) })),
    xt: await array('xt'),
    maskSizes: await integersOf(at('mask_nnz_per_column.npy')),
    x0hat: await array('x0hat'),
    exactOptimal: await array('exact_optimal'),
    exactLogZ: await array('exact_logz'),
  };
}

/** An array of i4, which no product of ours reads. */
async function integersOf(file: string): Promise<Int32Array> {
  const { offsetBytes } = await readNpyHeader(file, ['i4']);
  return new Int32Array(Uint8Array.from(readFileSync(file).subarray(offsetBytes)).buffer);
}
