/**
 * One step of a batch over a backend in this process: what a coordinator and its workers do together (coordinator/step-attempt, pool-proofs, golden-search), without
 * anything between them. Each phase runs over all partitions at once and is timed by the clock on the wall.
 */

import type {
  Backend,
  BackendStep,
  Cut,
  PartitionScreen,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../../../shard-worker/backends/backend.js';
import { HISTOGRAM_BINS, HISTOGRAM_BINS_PER_NAT, NEGLIGIBLE_SHARE } from '../../../shared/limits.js';
import { goldenSizes, type GoldenSettings, type GoldenSizes } from '../../../shared/math/golden-schedule.js';
import { groupedMean, mergeGrouped } from '../../../shared/math/grouped-partial.js';
import { mergeUp, nodeKey, rootLevel } from '../../../shared/math/merge-tree.js';
import { mergeScalars, mergeSums, type PosteriorScalars, type PosteriorSums } from '../../../shared/math/partial-posterior.js';
import { isProven, poolShares } from '../../../shared/math/pool-proof.js';
import { RankSearch, type RankWindow } from '../../../shared/math/rank-selection.js';

/** Steps with a precision have groups, others logits and weighted sums. */
export type Phase = 'proofs' | 'screen proxy' | 'screen full' | 'groups' | 'logits' | 'weighted sums' | 'merge';
export type Phases = Partial<Record<Phase, number>>;

export interface LocalRows {
  readonly partitions: readonly number[];
  /** N */
  readonly rows: number;
}

export interface LocalAnswer {
  /** [B, D] */
  readonly x0hat: Float64Array;
  /** [B] rows within 2^-24 of the heaviest, where a histogram was wanted */
  readonly rowsThatMatter: number[] | undefined;
  /** milliseconds */
  readonly phases: Phases;
}

/** ln 2^24: a row further below the maximum is under the default tolerance. */
const TOLERANCE_NATS = 24 * Math.LN2;

/** Over every row: the optimal denoiser, or that of the queries' precision. */
export async function exactStep(backend: Backend, held: LocalRows, queries: StepQueries, histogram = false): Promise<LocalAnswer> {
  const step = backend.openStep(queries);
  try {
    return await aggregate(step, held, queries, {}, { phases: {}, histogram });
  } finally {
    step.close();
  }
}

/**
 * GoldDiff, variant paper: the pool by proxy distance, the subset of it by full distance, softmax over that (by groups where the queries have a precision). Cuts are
 * looked for where proofs do not spare them.
 */
export async function goldenStep(
  backend: Backend,
  held: LocalRows,
  queries: StepQueries,
  settings: GoldenSettings,
): Promise<LocalAnswer & { sizes: GoldenSizes }> {
  const sizes = goldenSizes(settings, held.rows, { alpha: queries.alpha[0]!, sigma: queries.sigma[0]! });
  const step = backend.openStep(queries);
  const phases: Phases = {};
  try {
    const provable = step.provesPools === true && queries.precision === undefined;
    const proven = provable ? await timedInto(phases, 'proofs', () => provenQueries(step, held, queries.batch, sizes)) : undefined;
    const poolShare = proven?.poolShare;
    const cuts: { -readonly [K in keyof StageCuts]: StageCuts[K] } = poolShare ? { poolShare } : {};
    const passing = (wanted: number, rows: number): Float64Array =>
      Float64Array.from({ length: queries.batch }, (_, b) => (poolShare && poolShare[b]! > 0 ? rows : wanted));
    const proxy = await timedInto(phases, 'screen proxy', () => findCut(step, held, 'proxy', cuts, passing(sizes.pool, held.rows), held.rows));
    if (proxy !== undefined) cuts.proxy = proxy;
    const reaching = sizes.subset < held.rows ? Math.max(sizes.pool, sizes.subset + 1) : held.rows;
    const full = await timedInto(phases, 'screen full', () => findCut(step, held, 'full', cuts, passing(sizes.subset, reaching), reaching));
    if (full !== undefined) cuts.full = full;
    return { ...(await aggregate(step, held, queries, cuts, { phases, histogram: false, scalars: proven?.scalars })), sizes };
  } finally {
    step.close();
  }
}

interface ProvenQueries {
  /** [B] the pool's share of the rows where a query needs no cuts, else 0 */
  readonly poolShare: Float64Array;
  /** by partition, where that is all queries */
  readonly scalars: readonly PosteriorScalars[] | undefined;
}

/** Undefined where no query is proven. */
async function provenQueries(step: BackendStep, held: LocalRows, batch: number, sizes: GoldenSizes): Promise<ProvenQueries | undefined> {
  const of = (rows: number): Float64Array => new Float64Array(batch).fill(rows);
  const wanted = { presample: of(held.rows), pool: of(sizes.pool), subset: of(sizes.subset) };
  const poolShare = poolShares(wanted, of(held.rows));
  if (poolShare.every((share) => share === 0)) return undefined;
  const scalars = await Promise.all(held.partitions.map((partition) => step.scalars(partition, { poolShare })));
  const proofs = scalars.flatMap((found) => found.proofs ?? []);
  const proven = poolShare.map((share, b) => (isProven(proofs, wanted, b) ? share : 0));
  if (proven.every((share) => share === 0)) return undefined;
  return { poolShare: proven, scalars: proven.every((share) => share > 0) ? scalars : undefined };
}

/** The cut of the nearest rows over all partitions; undefined where all pass. @param wanted [B] rows that shall pass, of those that reach the stage */
export async function findCut(
  step: BackendStep,
  held: LocalRows,
  stage: ScreenStage,
  cuts: StageCuts,
  wanted: Float64Array,
  reaching: number,
): Promise<Cut | undefined> {
  const search = new RankSearch(wanted, new Float64Array(wanted.length).fill(reaching));
  if (search.trivial) return undefined;
  let windows: RankWindow[] | undefined;
  do {
    for (const [partition, part] of await screenAll(step, held, stage, cuts, search, windows)) search.add({ partition, ...part });
    windows = search.next();
  } while (windows.length > 0);
  return search.cut();
}

async function screenAll(
  step: BackendStep,
  held: LocalRows,
  stage: ScreenStage,
  cuts: StageCuts,
  search: RankSearch,
  windows: readonly RankWindow[] | undefined,
): Promise<[number, PartitionScreen][]> {
  const asked = held.partitions.flatMap((partition): [number, RankRequest][] => {
    if (windows === undefined) return [[partition, { kind: 'fraction', fraction: search.fractions }]];
    const own = windows.filter((window) => window.partition === partition);
    return own.length === 0 ? [] : [[partition, { kind: 'windows', windows: own }]];
  });
  return Promise.all(
    asked.map(async ([partition, ranks]): Promise<[number, PartitionScreen]> => [partition, await step.screen(partition, stage, cuts, ranks)]),
  );
}

interface Leaf {
  readonly scalars: PosteriorScalars;
  readonly sums: PosteriorSums;
}

interface AggregateSettings {
  readonly phases: Phases;
  readonly histogram: boolean;
  /** by partition, where they are known */
  readonly scalars?: readonly PosteriorScalars[] | undefined;
}

async function aggregate(
  step: BackendStep,
  held: LocalRows,
  queries: StepQueries,
  cuts: StageCuts,
  { phases, histogram, scalars: known }: AggregateSettings,
): Promise<LocalAnswer> {
  const dim = queries.x.length / queries.batch;
  const root = { level: rootLevel(held.partitions), index: 0 };
  const keyOf = (partition: number): string => nodeKey({ level: 0, index: partition });
  if (queries.precision !== undefined) {
    const leaves = await timedInto(phases, 'groups', () => Promise.all(held.partitions.map((partition) => step.groups(partition, cuts))));
    const x0hat = await timedInto(phases, 'merge', async () => {
      const whole = mergeUp(new Map(held.partitions.map((partition, i) => [keyOf(partition), leaves[i]!])), root, mergeGrouped)!;
      return groupedMean(whole);
    });
    return { x0hat, rowsThatMatter: undefined, phases };
  }
  const scalars = known ?? (await timedInto(phases, 'logits', () => Promise.all(held.partitions.map((partition) => step.scalars(partition, cuts)))));
  const own = new Map(held.partitions.map((partition, i) => [keyOf(partition), scalars[i]!]));
  const global = mergeUp(own, root, mergeScalars)!;
  const found = await timedInto(phases, 'weighted sums', () =>
    Promise.all(held.partitions.map((partition) => step.sums(partition, cuts, global, NEGLIGIBLE_SHARE, histogram))),
  );
  const x0hat = await timedInto(phases, 'merge', async () => {
    const leaves = new Map(held.partitions.map((partition, i): [string, Leaf] => [keyOf(partition), { scalars: scalars[i]!, sums: found[i]! }]));
    const whole = mergeUp(leaves, root, (left, right) => ({
      scalars: mergeScalars(left.scalars, right.scalars),
      sums: mergeSums(left.sums, left.scalars.maxLogit, right.sums, right.scalars.maxLogit, dim),
    }))!;
    const out = new Float64Array(queries.batch * dim);
    whole.sums.queries.forEach((b, k) => {
      for (let p = 0; p < dim; p++) out[b * dim + p] = whole.sums.sums[k * dim + p]! / global.mass[b]!;
    });
    return out;
  });
  const histograms = found.map((part) => part.histogram);
  return { x0hat, rowsThatMatter: histogram ? rowsWithin(histograms, queries.batch) : undefined, phases };
}

function rowsWithin(histograms: readonly ({ rows: Uint32Array } | undefined)[], batch: number): number[] {
  const bins = Math.ceil(TOLERANCE_NATS * HISTOGRAM_BINS_PER_NAT);
  return Array.from({ length: batch }, (_, b) =>
    histograms.reduce((sum, histogram) => {
      for (let bin = 0; bin < bins; bin++) sum += histogram?.rows[b * HISTOGRAM_BINS + bin] ?? 0;
      return sum;
    }, 0),
  );
}

async function timedInto<T>(phases: Phases, phase: Phase, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  phases[phase] = (phases[phase] ?? 0) + performance.now() - started;
  return result;
}
