/** NVIDIA devices of this machine, dealt to local workers: a worker computes on the first device that it sees. */

import { argumentError } from '../shared/errors.js';

/** An index, or the UUID of a device or of a part of one, as `nvidia-smi -L` shows them. */
const DEVICE = /^(\d+|(GPU|MIG)-[\w/-]+)$/;

/** @param name of the flag @throws ARGUMENT_INVALID */
export function deviceNames(value: string, name: string): string[] {
  const devices = value.split(',').map((device) => device.trim());
  const wrong = devices.find((device) => !DEVICE.test(device));
  if (wrong !== undefined) throw argumentError(name, 'devices as nvidia-smi -L shows them, such as 0,1 or GPU-8f2e...', wrong);
  return devices;
}

/** Devices that workers are dealt: those named, else the several that this process may use; undefined = workers see what this process sees. */
export function dealtDevices(named: readonly string[] | undefined, env: NodeJS.ProcessEnv): readonly string[] | undefined {
  if (named !== undefined) return named;
  const visible = (env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter((device) => DEVICE.test(device.trim()));
  return visible.length > 1 ? visible.map((device) => device.trim()) : undefined;
}

/** Environment of one of the workers: they take turns where they are more than the devices. */
export function deviceEnvironment(worker: number, devices: readonly string[] | undefined): NodeJS.ProcessEnv {
  return devices === undefined ? {} : { CUDA_VISIBLE_DEVICES: devices[worker % devices.length] };
}
