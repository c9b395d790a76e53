/** The CUDA engine on a device emulated on the processor: the same kernels and host code, compiled by the C++ compiler. Where there is none, tests skip. */

import { invariant } from '../../../../shared/errors.js';
import type { CudaAddon, CudaDevice } from '../../../../shard-worker/backends/cuda/cuda-addon.js';
import { createCudaBackend, type CudaBackendSettings } from '../../../../shard-worker/backends/cuda/cuda-backend.js';
import { CUDA_ADDON_FILE, detectCuda, EMULATED_ADDON_FILE } from '../../../../shard-worker/backends/cuda/load-cuda-addon.js';
import type { NativeBackend } from '../../../../shard-worker/backends/native/native-backend.js';

/** Set by test/gpu/run.sh: the suite runs on the device of this machine. */
export const onDevice = process.env.GOLDDIFF_TEST_CUDA === 'device';
/** scripts/run-tests.mjs builds it, and says so where that failed. */
const failed = onDevice ? undefined : process.env.GOLDDIFF_EMULATED_CUDA_FAILED;
const found = detectCuda(onDevice ? CUDA_ADDON_FILE : EMULATED_ADDON_FILE);

/** What node:test takes: false, or why the test skips. A compiler that is there must succeed. */
export const skip: string | false = failed !== undefined && /(was|were) not found/.test(failed) ? failed : false;
if (skip === false && 'missing' in found) throw new Error(failed ?? found.missing);

export function cudaDevice(): { addon: CudaAddon; device: CudaDevice } {
  invariant('addon' in found, 'tests without an engine skip');
  return found;
}

const EMULATED_MEMORY_BYTES = 2 ** 30;

export function cudaBackend(settings: Partial<CudaBackendSettings> = {}): NativeBackend {
  const { addon, device } = cudaDevice();
  const emulated = onDevice ? {} : { emulatedMemoryBytes: EMULATED_MEMORY_BYTES, ...settings.emulated };
  return createCudaBackend({ addon, device, computeThreads: 2, deviceMemoryBytes: Infinity, ...settings, emulated });
}
