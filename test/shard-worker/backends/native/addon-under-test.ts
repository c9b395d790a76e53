/** The native addon of this checkout, for tests that need it; where it is missing they skip and say what to do. */

import { invariant } from '../../../../shared/errors.js';
import { loadAddon } from '../../../../shared/native/load-addon.js';
import type { Isa, NativeAddon } from '../../../../shared/native/native-addon.js';
import { NativeBackend } from '../../../../shard-worker/backends/native/native-backend.js';

const loaded = loadAddon();

/** What node:test takes: false, or why the test skips. */
export const skip: string | false = 'missing' in loaded ? loaded.missing : false;
/** Supported on this machine, best first. */
export const isas: readonly Isa[] = 'missing' in loaded ? [] : loaded.isas;

export function nativeAddon(): NativeAddon {
  invariant('addon' in loaded, 'tests without an addon skip');
  return loaded.addon;
}

export function nativeBackend(
  isa: Isa,
  settings: { computeThreads?: number; deviceMemoryBytes?: number; stepStateBytesMax?: number } = {},
): NativeBackend {
  const { computeThreads = 2, deviceMemoryBytes = Infinity, ...rest } = settings;
  return new NativeBackend({ addon: nativeAddon(), isa, computeThreads, deviceMemoryBytes, ...rest });
}
