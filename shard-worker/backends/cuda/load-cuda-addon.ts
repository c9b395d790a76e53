/** Finds the CUDA addon and a device for it, or says in one sentence why there is none and what to do. */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { loadModule } from '../../../shared/native/load-module.js';
import { ENGINE_CALLS } from '../../../shared/native/native-addon.js';
import { packageRoot } from '../../../shared/package-root.js';
import type { CudaAddon, CudaDevice } from './cuda-addon.js';

const BUILD_FOLDER = path.join(packageRoot, 'shard-worker/cuda/build');
export const CUDA_ADDON_FILE = path.join(BUILD_FOLDER, 'Release/golddiff_cuda.node');
/** Made by the tests, for a device that is emulated on the processor. */
export const EMULATED_ADDON_FILE = path.join(BUILD_FOLDER, 'emulated/golddiff_cuda.node');
const NEXT_STEP = "install NVIDIA's CUDA toolkit and run npm run build:cuda";
/** Where the kernel's module of the driver is loaded. */
const DRIVER_FILE = '/proc/driver/nvidia/version';
const FUNCTIONS: Record<keyof CudaAddon, true> = {
  ...ENGINE_CALLS,
  detect: true,
  createEngine: true,
};

/** The engine and its device; or why there is none, and whether this machine, which has a driver, should have it. */
export type DetectedCuda = { readonly addon: CudaAddon; readonly device: CudaDevice } | { readonly missing: string; readonly expected: boolean };

/** Never throws: an addon that is absent, made from other sources, or without a device is `missing` with a sentence that ends in the next step. */
export function detectCuda(file: string = CUDA_ADDON_FILE, driver: string = DRIVER_FILE): DetectedCuda {
  const found = lookFor(file);
  return 'addon' in found ? found : { ...found, expected: existsSync(driver) };
}

function lookFor(file: string): { readonly addon: CudaAddon; readonly device: CudaDevice } | { readonly missing: string } {
  if (!existsSync(file)) return { missing: `the CUDA engine has not been built; ${NEXT_STEP}` };
  const loaded = loadModule<CudaAddon>(file, FUNCTIONS, { engine: 'CUDA', nextStep: NEXT_STEP });
  if ('missing' in loaded) return loaded;
  const addon = loaded.module;
  try {
    const found = addon.detect();
    return 'missing' in found ? found : { addon, device: found };
  } catch (thrown) {
    return { missing: `the device cannot be looked at (${thrown instanceof Error ? thrown.message : String(thrown)}); see nvidia-smi` };
  }
}
