/**
 * The CUDA backend: the engine of shard-worker/cuda, with rows in the memory of one device. Checks, cancelling and errors are those of the native backend, whose calls
 * its addon has. A worker uses the first device of CUDA_VISIBLE_DEVICES; several devices are several workers.
 *
 * Patches from all locations and steps that are restricted to rows are not its own: EquivariantThreads goes around it.
 */

import { WORKER_STEP_STATE_BYTES_MAX } from '../../../shared/limits.js';
import { NativeBackend, type EngineTraits } from '../native/native-backend.js';
import type { CudaAddon, CudaDevice, CudaEngineSettings } from './cuda-addon.js';
import { sizeOf } from '../resident-partitions.js';
import { expectedDeviceBytes } from './device-bytes.js';

/** Of the device's memory for rows; the rest is for steps, and for the driver. */
export const CARD_ROWS_SHARE = 0.85;

/**
 * Bytes that rows may take on a device, whatever more is asked for. They stay in host memory too, for the steps that the engine has no kernels for (EquivariantThreads):
 * no more than that has room for, and a row takes less there.
 */
export function cardRowsBytes({ memoryBytes }: CudaDevice, askedBytes: number, hostMemoryBytes: number): number {
  return Math.min(askedBytes, hostMemoryBytes, Math.floor(memoryBytes * CARD_ROWS_SHARE));
}

const CUDA: EngineTraits = {
  name: 'cuda',
  expectedBytes: (partition) => expectedDeviceBytes(sizeOf(partition)),
  sharesRows: false,
  provesPools: false,
};

export interface CudaBackendSettings {
  readonly addon: CudaAddon;
  readonly device: CudaDevice;
  /** host threads: so many calls are under way at once */
  readonly computeThreads: number;
  /** budget for resident rows, see cardRowsBytes */
  readonly deviceMemoryBytes: number;
  /** what steps may keep together, on the device and beside it */
  readonly stepStateBytesMax?: number;
  readonly emulated?: Pick<CudaEngineSettings, 'emulatedMemoryBytes' | 'failingAllocation'>;
}

export function createCudaBackend({
  addon,
  device,
  computeThreads,
  deviceMemoryBytes,
  stepStateBytesMax,
  emulated = {},
}: CudaBackendSettings): NativeBackend {
  return new NativeBackend({
    addon: {
      ...addon,
      createEngine: ({ threads, stepStateBytesMax: bytes }) => addon.createEngine({ threads, stepStateBytesMax: bytes, ...emulated }),
    },
    traits: CUDA,
    isa: 'scalar',
    computeThreads,
    deviceMemoryBytes,
    stepStateBytesMax: stepStateBytesMax ?? Math.max(WORKER_STEP_STATE_BYTES_MAX, Math.floor(device.memoryBytes * (1 - CARD_ROWS_SHARE))),
  });
}
