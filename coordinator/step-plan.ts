/** One step as it will be run: what a checked request asks of the workers. Makes no calls. */

import type { Retrieval__Output } from '../proto/generated/golddiff/v1/Retrieval.js';
import type { SearchMethod__Output } from '../proto/generated/golddiff/v1/SearchMethod.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { MASS_TOLERANCE_DEFAULT } from '../shared/limits.js';
import { goldenSizes, resolveGolden, type GoldenSettings } from '../shared/math/golden-schedule.js';
import { proxyGeometry } from '../shared/math/proxy.js';
import type { DenoiserPlan } from './denoisers/denoiser.js';

export interface StepPlan {
  readonly manifest: Manifest;
  /** B */
  readonly batch: number;
  /** D */
  readonly dim: number;
  /** [B, D]; every value is exact in xDtype */
  readonly x: Float64Array;
  /** what travels */
  readonly xDtype: 'F32' | 'F64';
  /** [B] > 0 */
  readonly alpha: Float64Array;
  readonly sigma: Float64Array;
  /** > 0 */
  readonly temperature: number;
  /** [B], -1 = all rows; undefined = all -1 */
  readonly labels: Int32Array | undefined;
  /** [B] rows of each query's label, over the whole data set */
  readonly eligible: Float64Array;
  readonly golden: GoldenPlan | undefined;
  readonly denoiser: DenoiserPlan;
  /** share of the mass that may be left out where that is proven; undefined = MASS_TOLERANCE_DEFAULT */
  readonly tolerance?: number;
  /** golden: largest bound that is accepted, in (0, 1); undefined = any */
  readonly maxTailMass?: number;
  /** rows in a block of the `wss` aggregator; undefined = one softmax over all rows */
  readonly blockRows?: number;
  /** asked for; only answered where a query has one weight for each row */
  readonly massRows: boolean;
  readonly allowPartial: boolean;
}

/** Rows wanted after each stage, [B]; at least the rows that reach the stage = all pass. */
export interface GoldenPlan {
  readonly proxyResolution: number;
  /** how workers find the rows nearest by proxy */
  readonly search: SearchMethod__Output;
  readonly presampleSeed: number;
  readonly presampleStep: number;
  /** [B] */
  readonly queryIds: Uint32Array;
  readonly presample: Float64Array;
  readonly pool: Float64Array;
  readonly subset: Float64Array;
}

export interface GoldenCounters {
  readonly presampleSeed: number;
  readonly presampleStep: number;
  /** counter of query 0 */
  readonly firstQuery: number;
}

export function rowValues(manifest: Manifest): number {
  const [channels, height, width] = manifest.shape;
  return channels * height * width;
}

/** [B] rows that each query's label allows. The labels have been checked. */
export function eligibleRows(manifest: Manifest, labels: Int32Array | undefined, batch: number): Float64Array {
  const byLabel = new Map(manifest.classes.map((c) => [c.label, c.rows]));
  return Float64Array.from({ length: batch }, (_, b) => {
    const label = labels?.[b] ?? -1;
    return label === -1 ? manifest.rows : (byLabel.get(label) ?? 0);
  });
}

/**
 * Sizes of the golden subset for every query of a batch; undefined where the retrieval is exact.
 * @throws ARGUMENT_INVALID naming the field of retrieval
 */
export function planGolden(
  manifest: Manifest,
  retrieval: Retrieval__Output | null,
  counters: GoldenCounters,
  eligible: Float64Array,
  alpha: Float64Array,
  sigma: Float64Array,
): GoldenPlan | undefined {
  if (retrieval?.kind !== 'GOLDEN') return undefined;
  const settings = new Map<number, GoldenSettings>();
  const B = eligible.length;
  const presample = new Float64Array(B);
  const pool = new Float64Array(B);
  const subset = new Float64Array(B);
  for (let b = 0; b < B; b++) {
    const rows = eligible[b]!;
    let of = settings.get(rows);
    if (of === undefined) settings.set(rows, (of = resolveGolden(retrieval, rows)));
    const sizes = goldenSizes(of, rows, { alpha: alpha[b]!, sigma: sigma[b]! });
    presample[b] = sizes.presample;
    pool[b] = sizes.pool;
    subset[b] = sizes.subset;
  }
  return {
    proxyResolution: proxyGeometry(manifest.shape, retrieval.proxyResolution).resolution,
    // An index restricts a partition to its candidates, blocks to theirs: one of them at a time.
    search: retrieval.variant === 'RELEASED' || retrieval.aggregator === 'WSS' ? 'SEARCH_SCAN' : retrieval.search,
    presampleSeed: counters.presampleSeed,
    presampleStep: counters.presampleStep,
    queryIds: Uint32Array.from({ length: B }, (_, b) => counters.firstQuery + b),
    presample,
    pool,
    subset,
  };
}

/** The aggregator that a request asks for, as a field of the plan. It has been checked. */
export function blocksOf(retrieval: Retrieval__Output | null): Pick<StepPlan, 'blockRows'> {
  return retrieval?.aggregator === 'WSS' ? { blockRows: retrieval.blockRows } : {};
}

/**
 * What a request says may be left out, as fields of the plan. It has been checked. Where it wants less left out than rows are proven to be negligible by
 * default, that share shrinks with it: else no subset, and not even all rows, could meet it.
 */
export function allowedErrors(retrieval: Retrieval__Output | null): Pick<StepPlan, 'tolerance' | 'maxTailMass'> {
  if (retrieval === null) return {};
  const { tolerance, maxTailMass } = retrieval;
  if (maxTailMass > 0) return { maxTailMass, ...(maxTailMass < 2 * MASS_TOLERANCE_DEFAULT && { tolerance: maxTailMass / 2 }) };
  return tolerance > 0 ? { tolerance } : {};
}
