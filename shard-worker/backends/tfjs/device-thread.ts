/** Entry of the thread that owns the device: TensorFlow.js waits for it, and nothing else must. */

import { parentPort, workerData } from 'node:worker_threads';
import { asGolddiffError, invariant } from '../../../shared/errors.js';
import { serveCompute } from '../reference/compute-loop.js';
import type { FromThread, ThreadSettings, ToThread } from '../reference/compute-messages.js';
import { DevicePartition } from './device-partition.js';
import { loadTensorOps, type DeviceThreadSettings } from './load-tensor-ops.js';

invariant(parentPort !== null, 'the device thread is started as a worker thread');
const port = parentPort;
const settings = workerData as ThreadSettings & DeviceThreadSettings;

try {
  const { ops, facts, tileValues } = await loadTensorOps(settings.tfjsFrom, settings.flavours);
  serveCompute(port, {
    settings,
    makePartition: (rows) => new DevicePartition({ ops, facts, tileValues }, rows),
    device: () => {
      const { numTensors, numBytes } = ops.memory();
      return { about: facts, tensors: numTensors, bytes: numBytes };
    },
  });
} catch (thrown) {
  // Whatever is asked of it, it says why there is nothing to ask.
  const { code, message, data } = asGolddiffError(thrown);
  port.on('message', (asked: ToThread) => {
    if ('task' in asked) port.postMessage({ kind: 'failure', task: asked.task, failure: { code, message, data } } satisfies FromThread);
  });
}
