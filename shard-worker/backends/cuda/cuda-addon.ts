/**
 * The contract of the CUDA addon (shard-worker/cuda/addon/addon.cpp): the calls of the native addon, for rows that it copies into device memory. The same sources make
 * an addon for a device emulated on the processor, for tests.
 */

import type { EngineCalls, NativeEngine } from '../../../shared/native/native-addon.js';

/** What a device is, or why there is none and what to do, as the end of a sentence. */
export type CudaDetection = CudaDevice | { readonly missing: string };

export interface CudaDevice {
  /** its name, such as NVIDIA H200 */
  readonly device: string;
  /** compute capability, 10 major + minor */
  readonly architecture: number;
  readonly memoryBytes: number;
  /** when it was looked at */
  readonly freeBytes: number;
  readonly multiprocessors: number;
}

export interface CudaEngineSettings {
  /** host threads, each of which waits for one call's work */
  readonly threads: number;
  readonly stepStateBytesMax: number;
  /** of the emulated device: its memory, and the allocation that fails although there is room */
  readonly emulatedMemoryBytes?: number;
  readonly failingAllocation?: number;
}

export interface CudaAddon extends EngineCalls {
  /** Looks at the first device of CUDA_VISIBLE_DEVICES. */
  detect(): CudaDetection;
  createEngine(settings: CudaEngineSettings): NativeEngine;
}
