/** What a step needs of a partition: its rows' names, and the four operations that touch their values. Selections, ranks and softmaxes are partition-step.ts's. */

import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { ProxyGeometry } from '../../../shared/math/proxy.js';
import type { StepPrecision } from '../backend.js';
import type { DistanceQueries, RowList } from './row-distances.js';

export interface LogitQueries extends DistanceQueries {
  /** [B] 2 sigma^2 T: logit = -distance / divisor, in nats */
  readonly divisors: Float64Array;
}

/** Rows that have a weight. */
export interface Gathered {
  /** ascending */
  readonly rows: Uint32Array;
  readonly weights: Float64Array;
}

/** What weighted sums take of a partition. */
export type SummedRows = Pick<StepPartition, 'rows' | 'rowValues' | 'sumRows'>;

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
  /** sums[k] = f32(sum_i weights_k[i] y_(rows_k[i])) for each of the gathered, rows added in ascending order; sums are [gathered.length, D]. */
  sumRows(gathered: readonly Gathered[], sums: Float32Array, checkpoint: () => void): void;
  groups(queries: LogitQueries, precision: StepPrecision, lists: readonly RowList[], checkpoint: () => void): GroupedPartial;
}

/** A partition as a compute thread holds it. */
export interface ThreadPartition extends StepPartition {
  /** [n, D] as stored, on memory that all threads see */
  readonly values: Uint8Array | Float32Array;
  dispose(): void;
}
