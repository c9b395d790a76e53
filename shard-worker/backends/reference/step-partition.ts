/** What a step needs of a partition: its rows' names, and the four operations that touch their values. Selections, ranks and softmaxes are partition-step.ts's. */

import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import type { ProxyGeometry } from '../../../shared/math/proxy.js';
import type { GlobalScalars, StepPrecision } from '../backend.js';
import type { DistanceQueries, RowList } from './row-distances.js';
import type { WeightedSums } from './row-posterior.js';

export interface LogitQueries extends DistanceQueries {
  /** [B] 2 sigma^2 T: logit = -distance / divisor, in nats */
  readonly divisors: Float64Array;
}

/** `checkpoint` is called every millisecond or so of compute and may throw to leave; `lists` are [B] rows of each query. */
export interface StepPartition {
  /** n */
  readonly rows: number;
  /** D */
  readonly rowValues: number;
  readonly shape: readonly [number, number, number];
  readonly labels: Int32Array;
  readonly rowIds: Uint32Array;
  /** bytes of proxies that have been built */
  readonly proxyBytes: number;
  /** For each of `wanted` the squared distances of its rows in the order of its list. One distance depends on its query and its row alone, bit for bit. */
  fullDistances(queries: DistanceQueries, wanted: readonly number[], lists: readonly RowList[], checkpoint: () => void): Float64Array[];
  /** The same between proxies; queries are pooled already. */
  proxyDistances(
    geometry: ProxyGeometry,
    queries: DistanceQueries,
    wanted: readonly number[],
    lists: readonly RowList[],
    checkpoint: () => void,
  ): Float64Array[];
  /** See weightedSums of row-posterior.ts. */
  weightedSums(
    lists: readonly RowList[],
    distances: readonly Float64Array[],
    divisors: Float64Array,
    own: PosteriorScalars,
    global: GlobalScalars,
    negligibleShare: number,
    checkpoint: () => void,
  ): WeightedSums;
  groups(queries: LogitQueries, precision: StepPrecision, lists: readonly RowList[], checkpoint: () => void): GroupedPartial;
}

/** A partition as a compute thread holds it. */
export interface ThreadPartition extends StepPartition {
  /** [n, D] as stored, on memory that all threads see */
  readonly values: Uint8Array | Float32Array;
  dispose(): void;
}
