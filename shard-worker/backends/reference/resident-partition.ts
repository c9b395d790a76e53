/** A partition as a compute thread holds it: the rows on shared memory, and proxies per resolution once they have been asked for. */

import { invariant } from '../../../shared/errors.js';
import { CANCEL_CHECK_ROWS } from '../../../shared/limits.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { ProxyGeometry } from '../../../shared/math/proxy.js';
import type { PartitionRows, StepPrecision } from '../backend.js';
import { equivariantPosterior } from './equivariant-posterior.js';
import { groupedPosterior } from './grouped-posterior.js';
import { rowDistances, type DistanceQueries, type RowList } from './row-distances.js';
import { addGathered } from './row-posterior.js';
import { fullRows, proxyRows, type RowSource } from './row-source.js';
import type { Gathered, LogitQueries, ThreadPartition } from './step-partition.js';
import { weightGroupsOf } from './weight-groups.js';

export class ResidentPartition implements ThreadPartition {
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

  get rowValues(): number {
    return this.full.rowValues;
  }

  fullDistances(queries: DistanceQueries, wanted: readonly number[], lists: readonly RowList[], checkpoint: () => void): Float64Array[] {
    return rowDistances(this.full, queries, wanted, lists, checkpoint);
  }

  proxyDistances(
    geometry: ProxyGeometry,
    queries: DistanceQueries,
    wanted: readonly number[],
    lists: readonly RowList[],
    checkpoint: () => void,
  ): Float64Array[] {
    return rowDistances(this.proxies(geometry, checkpoint), queries, wanted, lists, checkpoint);
  }

  sumRows(gathered: readonly Gathered[], sums: Float32Array, checkpoint: () => void): void {
    addGathered(this.full, gathered, sums, checkpoint);
  }

  groups(queries: LogitQueries, precision: StepPrecision, lists: readonly RowList[], checkpoint: () => void): GroupedPartial {
    const sides = precision.kinds.flatMap((kind) => (kind.kind === 'equivariant' ? [kind.side] : []));
    if (sides.length > 0) {
      invariant(sides.length === precision.kinds.length, 'patches from everywhere are a kind of their own');
      const everywhere = { ...queries, sides: Array.from(precision.of, (kind) => sides[kind]!) };
      return equivariantPosterior(this.full, everywhere, lists, this.shape, checkpoint);
    }
    const kinds = precision.kinds.flatMap((kind) => (kind.kind === 'equivariant' ? [] : [weightGroupsOf(kind, this.shape)]));
    const groups = Array.from(precision.of, (kind) => kinds[kind]!);
    return groupedPosterior(this.full, { ...queries, groups }, lists, precision.groups, checkpoint);
  }

  /** Nothing to give back: the rows are everyone's. */
  dispose(): void {}
}
