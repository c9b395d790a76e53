/**
 * The TensorFlow.js backend: the slice lies in the memory of a device that TensorFlow.js drives, and what touches its values is done there. Which rows a query is left with, its
 * softmax and its ranks are those of the reference backend's compute thread, on the host in double. docs/adr/0015 tells what float32 can do and how.
 */

import { ThreadedBackend } from '../reference/threaded-backend.js';
import type { DeviceState } from '../reference/compute-messages.js';
import { deviceBytesOf } from './device-partition.js';
import type { DeviceThreadSettings } from './load-tensor-ops.js';
import { TFJS_FLAVOURS, type TfjsFacts, type TfjsFlavour } from './tensor-ops.js';

export interface TfjsBackendSettings {
  /** folder whose node_modules, or those above it, hold TensorFlow.js */
  readonly from: string;
  /** packages to look for, in order */
  readonly flavours?: readonly TfjsFlavour[];
  /** budget for resident rows; Infinity = none */
  readonly deviceMemoryBytes: number;
  readonly stepStateBytesMax?: number;
}

/** Read from the environment of the process, which a thread cannot change; cards round products to 11 bits otherwise. */
const FULL_PRODUCTS = 'NVIDIA_TF32_OVERRIDE';

export class TfjsBackend extends ThreadedBackend {
  /** until somebody asks, what leaves less room for rows */
  #device: TfjsFacts['device'] = 'cpu';

  /** Its thread loads TensorFlow.js; `device` tells whether that went well. */
  constructor({ from, flavours = TFJS_FLAVOURS, ...settings }: TfjsBackendSettings) {
    process.env[FULL_PRODUCTS] ??= '0';
    const threadData: DeviceThreadSettings = { tfjsFrom: from, flavours };
    super({
      ...settings,
      name: 'tfjs',
      // The device has one queue; its own threads are TensorFlow's.
      computeThreads: 1,
      threadEntry: new URL('./device-thread.js', import.meta.url),
      bytesOf: (partition) => deviceBytesOf(partition, this.#device),
      awaitsLoads: true,
      threadData,
    });
  }

  /** What TensorFlow.js runs on; partitions that are loaded after it count for the memory that they take there. @throws as `device` */
  async facts(): Promise<TfjsFacts> {
    // What the thread puts there are the facts of loadTensorOps.
    const facts = (await this.device()).about as TfjsFacts;
    this.#device = facts.device;
    return facts;
  }

  /** @throws BACKEND_MISSING where TensorFlow.js is not there, does not load or does not multiply as it must, in one sentence with the next step */
  device(): Promise<DeviceState> {
    return this.threads[0]!.device();
  }
}
