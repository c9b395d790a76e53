/**
 * The contract of the native addon (shard-worker/native/addon/addon.cpp). Plain typed arrays cross the edge; what computes returns a Promise and runs on
 * the engine's own threads. The addon checks nothing but what would break memory: native-backend.ts validates.
 *
 * Calls throw or reject with an Error whose `code` is CANCELLED, OUT_OF_MEMORY, LIMIT_EXCEEDED, ARGUMENT_INVALID or INTERNAL.
 *
 * What is closed or released is freed then, or with the last call under way on it; nothing may be begun on it afterwards. What is only forgotten is freed when it is
 * collected.
 */

import type { PoolProofs } from '../math/pool-proof.js';

/** Instruction sets, best first. */
export const ISAS = ['avx512', 'avx2', 'neon', 'scalar'] as const;
export type Isa = (typeof ISAS)[number];

declare const opaque: unique symbol;
/** Threads and the kernels of one instruction set. */
export interface NativeEngine {
  readonly [opaque]: 'engine';
}
export interface NativePartition {
  readonly [opaque]: 'partition';
}
export interface NativeStep {
  readonly [opaque]: 'step';
}

export interface NativeRows {
  /** n */
  readonly rows: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** [n, D] on a SharedArrayBuffer; kept by reference, never written */
  readonly values: Uint8Array | Float32Array;
  /** [n] */
  readonly labels: Int32Array;
  /** [n] */
  readonly rowIds: Uint32Array;
}

export interface NativeQueries {
  /** B */
  readonly batch: number;
  /** D */
  readonly dim: number;
  /** [B, D]; all arrays are copied */
  readonly x: Float64Array;
  /** [B] */
  readonly alpha: Float64Array;
  /** [B] */
  readonly sigma: Float64Array;
  readonly temperature: number;
  /** [B], -1 = rows of every label */
  readonly labels?: Int32Array;
  /** share of a partition's mass that may be left out where that is proven; 2^-24 is the default of the service */
  readonly tolerance: number;
  /** side of the squares that proxies average; 0 = a step without proxies */
  readonly factor: number;
  readonly presampleSeed: number;
  readonly presampleStep: number;
  /** [B] */
  readonly queryIds?: Uint32Array;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** of a step that `groups` is asked of */
  readonly grouping?: NativeGrouping;
}

export interface NativeGrouping {
  /** G */
  readonly groups: number;
  /** [B] which of the kinds a query has */
  readonly of: Uint32Array;
  /** windows of side x side pixels, or the runs of a SupportSet */
  readonly kinds: readonly ({ readonly side: number } | { readonly first: Uint32Array; readonly runs: Uint32Array })[];
}

export const NATIVE_STAGE = { presample: 0, proxy: 1, full: 2 } as const;
/** By stage; undefined = no cut there. */
/** By stage, then the share of the pool [B], which only scalars and sums look at. */
export type NativeCuts = readonly [NativeCut | undefined, NativeCut | undefined, NativeCut | undefined, Float64Array | undefined];
export interface NativeCut {
  /** [B] */
  readonly key: Float64Array;
  /** [B] */
  readonly rowId: Uint32Array;
}

/** One entry a window, keys concatenated in their order. */
export interface NativeScreen {
  readonly queries: Uint32Array;
  readonly eligible: Uint32Array;
  readonly firstRank: Uint32Array;
  readonly count: Uint32Array;
  readonly keys: Float64Array;
  readonly rowIds: Uint32Array;
}

/** [B] each. Rows counted are all that pass the cuts; mass may lack what the tolerance allows. */
export interface NativeScalars {
  readonly maxLogit: Float64Array;
  readonly mass: Float64Array;
  readonly massSq: Float64Array;
  readonly rows: Float64Array;
  /** where shares of the pool were given */
  readonly proofs?: PoolProofs;
}

export interface NativeSums {
  readonly queries: Uint32Array;
  /** [queries.length, D] */
  readonly sums: Float32Array;
  /** [B] upper bounds, with what `scalars` left out */
  readonly skippedShare: Float64Array;
  /** [B, HISTOGRAM_BINS] where asked for */
  readonly histogramRows?: Uint32Array;
  readonly histogramMass?: Float64Array;
}

/** The arrays of a GroupedPartial; logits are off by 5e-4 nats at most, a fiftieth of that typically. */
export interface NativeGroups {
  /** [B] */
  readonly rows: Float64Array;
  /** [B, G] */
  readonly maxLogit: Float64Array;
  readonly mass: Float64Array;
  readonly massSq: Float64Array;
  readonly minLogit: Float64Array;
  /** [B, D] */
  readonly sums: Float32Array;
}

export interface NativeAddon {
  /** What this machine runs, best first. */
  detect(): { readonly isas: readonly Isa[] };
  /** Steps of the engine keep no more than `stepStateBytesMax` together; what would go beyond fails with LIMIT_EXCEEDED before it is allocated. */
  createEngine(settings: { readonly threads: number; readonly isa: Isa; readonly stepStateBytesMax: number }): NativeEngine;
  /** Its threads end with the last partition and step of it. */
  closeEngine(engine: NativeEngine): void;
  /** Bytes that steps keep now: queries, keys, distances, lists of rows. */
  stepStateBytes(engine: NativeEngine): number;
  loadPartition(engine: NativeEngine, rows: NativeRows): Promise<NativePartition>;
  /** Bytes beside `values`: norms, and proxies built so far. */
  partitionBytes(partition: NativePartition): number;
  releasePartition(partition: NativePartition): void;
  openStep(engine: NativeEngine, queries: NativeQueries): NativeStep;
  /**
   * [B] rows by their index, ascending; undefined = every row: from now on only these are eligible. Before anything else is asked of the partition.
   * Throws where a row is not there.
   */
  restrict(step: NativeStep, partition: NativePartition, candidates: readonly (Uint32Array | undefined)[]): void;
  /** Either `fraction` [B] or `windows` [3 m] = (query, firstRank, count) each. */
  screen(
    step: NativeStep,
    partition: NativePartition,
    stage: 0 | 1 | 2,
    cuts: NativeCuts,
    fraction: Float64Array | undefined,
    windows: Uint32Array | undefined,
  ): Promise<NativeScreen>;
  scalars(step: NativeStep, partition: NativePartition, cuts: NativeCuts): Promise<NativeScalars>;
  sums(
    step: NativeStep,
    partition: NativePartition,
    cuts: NativeCuts,
    maxLogit: Float64Array,
    mass: Float64Array,
    negligibleShare: number,
    histogram: boolean,
  ): Promise<NativeSums>;
  groups(step: NativeStep, partition: NativePartition, cuts: NativeCuts): Promise<NativeGroups>;
  /** Pending calls of the step reject with CANCELLED; its state is freed once they have. Idempotent. */
  closeStep(step: NativeStep): void;
  /** Sums [D] and sums of products [D (D + 1) / 2] over the rows of one label (-1 = all), in stored units: a MomentSums. */
  moments(
    engine: NativeEngine,
    partition: NativePartition,
    label: number,
  ): Promise<{ readonly rows: number; readonly sum: Float64Array; readonly products: Float64Array }>;
  /** Mean [D] and sample covariance (N - 1) [D, D] of all rows together, in double. */
  covariance(
    engine: NativeEngine,
    partitions: readonly NativePartition[],
  ): Promise<{ readonly mean: Float64Array; readonly covariance: Float64Array }>;
  /**
   * Solves A X = R for a symmetric positive definite A [n, n] and R [n, columns], row-major, on the calling thread and those of the engine: for a worker
   * thread, not for an event loop. `rhs` becomes X, `matrix` is overwritten. Returns soon, with rhs half done, once stop[0] (on shared memory) is not 0.
   * ARGUMENT_INVALID where A is not positive definite.
   */
  spdSolve(
    engine: NativeEngine,
    system: {
      readonly n: number;
      readonly matrix: Float64Array;
      readonly rhs: Float64Array;
      readonly columns: number;
      readonly stop?: Int32Array | undefined;
    },
  ): void;
}

/** What engines on the rows of a worker have in common; that of a CUDA device answers without proofs. */
export type EngineCalls = Omit<NativeAddon, 'detect' | 'createEngine' | 'restrict' | 'covariance' | 'spdSolve'>;

/** The functions of an addon that has them; one that lacks here is found by the compiler. */
export const ENGINE_CALLS: Readonly<Record<keyof EngineCalls, true>> = {
  closeEngine: true,
  stepStateBytes: true,
  loadPartition: true,
  partitionBytes: true,
  releasePartition: true,
  openStep: true,
  screen: true,
  scalars: true,
  sums: true,
  groups: true,
  closeStep: true,
  moments: true,
};
