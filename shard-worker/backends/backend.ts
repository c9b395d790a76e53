/**
 * What computes. A backend holds partitions in its device memory and answers, for one step of one batch and one partition at a time,
 * screens (keys near a global cut), scalars and weighted sums. The reference backend defines what is right; test/shard-worker/backends/conformance
 * runs the same suite on every backend.
 *
 * Results must not depend on the number of threads, on the other queries of the batch, or on the other partitions: a query's answer on a
 * partition is a function of that query and those rows. Nothing here runs for long on the JavaScript thread.
 */

import type { GroupedPartial } from '../../shared/math/grouped-partial.js';
import type { MomentSums } from '../../shared/math/moment-sums.js';
import type { PosteriorScalars } from '../../shared/math/partial-posterior.js';
import type { PoolProofs } from '../../shared/math/pool-proof.js';
import type { SupportSet } from '../../shared/math/support-set.js';

export type BackendName = 'reference' | 'native' | 'cuda' | 'tfjs';

/** Rows of one partition, handed over: the backend owns the buffers from then on. */
export interface PartitionRows {
  readonly dataSet: string;
  readonly partition: number;
  /** n */
  readonly rows: number;
  /** [C, H, W], D = C*H*W */
  readonly shape: readonly [number, number, number];
  /** [n, D]; u8 stands for u/127.5 - 1; f32 is taken as it is. On shared memory, so that compute threads see it. */
  readonly values: Uint8Array | Float32Array;
  /** [n], -1 where the data set has no labels */
  readonly labels: Int32Array;
  /** [n] global row ids, unique over the data set */
  readonly rowIds: Uint32Array;
}

export interface PartitionRef {
  readonly dataSet: string;
  readonly partition: number;
}

/** One batch of queries. B queries, D values each. */
export interface StepQueries {
  readonly dataSet: string;
  readonly batch: number;
  /** [B, D] in double */
  readonly x: Float64Array;
  /** [B] > 0 */
  readonly alpha: Float64Array;
  /** [B] > 0 */
  readonly sigma: Float64Array;
  /** > 0 */
  readonly temperature: number;
  /** [B], -1 = rows of every label; undefined = all -1 */
  readonly labels: Int32Array | undefined;
  readonly golden: GoldenQueries | undefined;
  /** share of a partition's mass that may be left out where that is proven, in [0, 1); a backend may leave out less; undefined = MASS_TOLERANCE_DEFAULT */
  readonly massTolerance?: number;
  /** weights by groups of values, asked for by `groups`; undefined = one weight for each row, asked for by `scalars` and `sums` */
  readonly precision?: StepPrecision;
  /** the step will `restrict` partitions, whether the backend takes candidates or not: it must do so, however slowly */
  readonly restricted?: boolean;
}

/** Which values of a row vote for which weight group; value p of the answer has the weights of group p mod G. */
export interface StepPrecision {
  /** G, the same for all kinds */
  readonly groups: number;
  readonly kinds: readonly Precision[];
  /** [B] which of the kinds a query has */
  readonly of: Uint32Array;
}

export type Precision =
  /** G = H*W: the side x side pixels around each location, all channels, cut off at the border; side is odd */
  | { readonly kind: 'window'; readonly side: number }
  | { readonly kind: 'supports'; readonly set: SupportSet }
  /** G = H*W: the patches of that side at all locations of a row, zero outside the image, each with a weight; never beside another kind */
  | { readonly kind: 'equivariant'; readonly side: number };

export interface GoldenQueries {
  /** pixels along H after pooling */
  readonly proxyResolution: number;
  readonly presampleSeed: number;
  readonly presampleStep: number;
  /** [B] counters */
  readonly queryIds: Uint32Array;
}

export type ScreenStage = 'presample' | 'proxy' | 'full';

/** Last key inside the selection of a stage, per query; a row passes if (key, row id) <= (key, rowId). An infinite key lets all pass. */
export interface Cut {
  /** [B] */
  readonly key: Float64Array;
  /** [B] */
  readonly rowId: Uint32Array;
}
export interface StageCuts extends Partial<Record<ScreenStage, Cut>> {
  /**
   * [B], of scalars and sums only: a query with a share > 0 is not cut; of the rows that its candidate pool could hold, that share of all, those that could matter are
   * scored, and scalars come with proofs. Only for a step that `provesPools`.
   */
  readonly poolShare?: Float64Array;
}

export interface PartitionScalars extends PosteriorScalars {
  /** where shares of the pool were given */
  readonly proofs?: PoolProofs;
}

/** Which keys a screen returns: around a share of the eligible rows, or by explicit ranks. */
export type RankRequest =
  | { readonly kind: 'fraction'; /** [B] in [0, 1]; 0 = no key of that query */ readonly fraction: Float64Array }
  | { readonly kind: 'windows'; /** of this partition */ readonly windows: readonly { query: number; firstRank: number; count: number }[] };

/** [B] rows by their index in the partition, ascending, without repeats; undefined = every row. */
export type CandidateLists = readonly (Uint32Array | undefined)[];

/** Keys of consecutive ranks among the eligible rows of one partition; see proto ScreenPart. */
export interface PartitionScreen {
  readonly queries: Uint32Array;
  readonly eligible: Uint32Array;
  readonly firstRank: Uint32Array;
  readonly count: Uint32Array;
  /** concatenated over queries, ascending by (key, row id) within each */
  readonly keys: Float64Array;
  readonly rowIds: Uint32Array;
}

/** Scalars over all partitions together: what decides where weighted sums matter. */
export interface GlobalScalars {
  readonly maxLogit: Float64Array;
  readonly mass: Float64Array;
}

/** Weighted sums of one partition (a leaf of the merge tree). */
export interface PartitionSums {
  /** queries whose share of the mass is not negligible, ascending */
  readonly queries: Uint32Array;
  /** [queries.length, D] sum exp(logit - the partition's own maxLogit) y_i, float32 */
  readonly sums: Float32Array;
  /** [B] share of the global mass that was left out here, rounded up to a multiple of SKIPPED_SHARE_QUANTUM */
  readonly skippedShare: Float64Array;
  readonly histogram: LogitHistogram | undefined;
}

/** Counts and mass by distance below the global maximum; bins as in proto NodeHistogram. */
export interface LogitHistogram {
  /** [B, bins] */
  readonly rows: Uint32Array;
  /** [B, bins] sum exp(logit - global max) */
  readonly mass: Float64Array;
}

/** One open step. Calls for different partitions may be under way at once. After close every pending call rejects with CANCELLED. */
export interface BackendStep {
  /**
   * From now on only these rows of the partition are eligible, in every stage and in scalars and sums; labels narrow them further. Called at most once for
   * a partition, before anything else is asked of it in this step; the lists are left alone from then on. There where the backend takes candidates, and
   * for queries that say that they are `restricted`.
   */
  restrict?(partition: number, candidates: CandidateLists): void;
  /** cuts with a poolShare are understood */
  readonly provesPools?: boolean;
  screen(partition: number, stage: ScreenStage, cuts: StageCuts, ranks: RankRequest): Promise<PartitionScreen>;
  scalars(partition: number, cuts: StageCuts): Promise<PartitionScalars>;
  sums(partition: number, cuts: StageCuts, global: GlobalScalars, negligibleShare: number, histogram: boolean): Promise<PartitionSums>;
  /** Of a step with a precision: the rows that pass the cuts, scored group by group. */
  groups(partition: number, cuts: StageCuts): Promise<GroupedPartial>;
  /** Frees the state and stops what is running within about a millisecond of compute. Idempotent. */
  close(): void;
}

export interface Backend {
  readonly name: BackendName;
  readonly computeThreads: number;
  /** its steps can be restricted to candidates, so that an index of a partition is of use */
  readonly takesCandidates: boolean;
  /** Bytes of resident rows, proxies and norms. */
  readonly residentBytes: number;
  /** Throws LIMIT_EXCEEDED, naming bytes needed and free, where the rows do not fit. */
  load(rows: PartitionRows): Promise<void>;
  /** Unknown references are ignored. */
  unload(ref: PartitionRef): Promise<void>;
  openStep(queries: StepQueries): BackendStep;
  /** Sums over the rows of one label (-1 = all). Other work is let through now and then. Rejects with PARTITION_MISSING, CANCELLED. */
  moments(ref: PartitionRef, label: number): Promise<MomentSums>;
  close(): Promise<void>;
}
