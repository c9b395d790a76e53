/** The TensorFlow.js that the tests run on: every flavour that is found from GOLDDIFF_TFJS_FROM, where `npm run test:tfjs` puts the wasm and cpu ones, or from here. */

import { packageRoot } from '../../../../shared/package-root.js';
import { findTfjs, loadTensorOps } from '../../../../shard-worker/backends/tfjs/load-tensor-ops.js';
import { TFJS_FLAVOURS, type TensorDevice, type TfjsFlavour } from '../../../../shard-worker/backends/tfjs/tensor-ops.js';
import { TfjsBackend } from '../../../../shard-worker/backends/tfjs/tfjs-backend.js';

export const from = process.env['GOLDDIFF_TFJS_FROM'] ?? packageRoot;

/** Those that are installed, fastest first. */
export const flavours: readonly TfjsFlavour[] = TFJS_FLAVOURS.filter((flavour) => findTfjs(from, [flavour]) !== undefined);

export const skip = flavours.length > 0 ? false : 'TensorFlow.js is not installed: npm run test:tfjs installs it for the tests';

export function tfjsBackend(
  flavour: TfjsFlavour,
  settings: { deviceMemoryBytes?: number; stepStateBytesMax?: number | undefined } = {},
): TfjsBackend {
  const { deviceMemoryBytes = Infinity, stepStateBytesMax } = settings;
  return new TfjsBackend({ from, flavours: [flavour], deviceMemoryBytes, ...(stepStateBytesMax !== undefined && { stepStateBytesMax }) });
}

let device: Promise<TensorDevice> | undefined;

/** The fastest that is installed, in this thread: for tests of what runs on a device. */
export function deviceUnderTest(): Promise<TensorDevice> {
  return (device ??= loadTensorOps(from, flavours));
}
