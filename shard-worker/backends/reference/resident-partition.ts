/** A partition as a compute thread holds it: the rows on shared memory, and proxies per resolution once they have been asked for. */

import type { ProxyGeometry } from '../../../shared/math/proxy.js';
import { CANCEL_CHECK_ROWS } from '../../../shared/limits.js';
import type { PartitionRows } from '../backend.js';
import { fullRows, proxyRows, type RowSource } from './row-source.js';

export class ResidentPartition {
  readonly full: RowSource;
  readonly rows: number;
  /** [n, D] as stored */
  readonly values: Uint8Array | Float32Array;
  readonly shape: readonly [number, number, number];
  readonly labels: Int32Array;
  readonly rowIds: Uint32Array;
  readonly #proxies = new Map<number, RowSource>();

  constructor(partition: PartitionRows) {
    const [channels, height, width] = partition.shape;
    this.full = fullRows(partition.values, partition.rows, channels * height * width);
    this.rows = partition.rows;
    this.values = partition.values;
    this.shape = partition.shape;
    this.labels = partition.labels;
    this.rowIds = partition.rowIds;
  }

  /** Built at the first call and kept; a pass that `checkpoint` leaves by throwing keeps nothing. */
  proxies(geometry: ProxyGeometry, checkpoint: () => void): RowSource {
    if (geometry.factor === 1) return this.full;
    const known = this.#proxies.get(geometry.factor);
    if (known) return known;
    const built = proxyRows(this.full, this.shape, geometry, (row) => {
      if (row % CANCEL_CHECK_ROWS === 0) checkpoint();
    });
    this.#proxies.set(geometry.factor, built);
    return built;
  }

  get proxyBytes(): number {
    let bytes = 0;
    for (const proxies of this.#proxies.values()) bytes += proxies.values.byteLength;
    return bytes;
  }
}
