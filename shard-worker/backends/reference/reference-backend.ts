/** The reference backend: float64 in TypeScript, the definition of right. */

import { proxyGeometry } from '../../../shared/math/proxy.js';
import type { PartitionRows } from '../backend.js';
import { proxyBytes } from './row-source.js';
import { ThreadedBackend, type PartitionBytes } from './threaded-backend.js';

export interface ReferenceBackendSettings {
  /** 1 or more */
  readonly computeThreads: number;
  /** budget for resident rows; Infinity = none */
  readonly deviceMemoryBytes: number;
  /** state of steps beyond this is computed again instead of kept */
  readonly stepStateBytesMax?: number;
}

export class ReferenceBackend extends ThreadedBackend {
  constructor(settings: ReferenceBackendSettings) {
    super({ ...settings, name: 'reference', threadEntry: new URL('./compute-thread.js', import.meta.url), bytesOf, awaitsLoads: false });
  }
}

function bytesOf({ values, labels, rowIds, rows, shape }: PartitionRows): PartitionBytes {
  const geometry = proxyGeometry(shape, 0);
  return {
    rows: values.byteLength + labels.byteLength + rowIds.byteLength,
    proxies: geometry.factor === 1 ? 0 : proxyBytes(values instanceof Uint8Array, rows, geometry),
  };
}
