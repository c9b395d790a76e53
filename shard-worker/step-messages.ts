/** Step requests checked and turned into the backend's terms, and the backend's answers into step responses. */

import type { Aggregate__Output } from '../proto/generated/golddiff/v1/Aggregate.js';
import type { CutVector__Output } from '../proto/generated/golddiff/v1/CutVector.js';
import type { OpenStep__Output } from '../proto/generated/golddiff/v1/OpenStep.js';
import type { PoolProof } from '../proto/generated/golddiff/v1/PoolProof.js';
import type { Screen__Output } from '../proto/generated/golddiff/v1/Screen.js';
import type { ScreenPart } from '../proto/generated/golddiff/v1/ScreenPart.js';
import { argumentError, expectation, GolddiffError } from '../shared/errors.js';
import { BATCH_ROWS_MAX, LEVEL_MAX, LEVEL_MIN, MASS_TOLERANCE_MAX, SCREEN_PART_BYTES } from '../shared/limits.js';
import type { PoolProofs } from '../shared/math/pool-proof.js';
import { proxyGeometry } from '../shared/math/proxy.js';
import { decodePrecision, type FindSupports } from './step-precision.js';
import type { SearchWish } from './candidates/search-planner.js';
import type { Cut, GlobalScalars, PartitionScreen, RankRequest, ScreenStage, StageCuts, StepQueries } from './backends/backend.js';

const STAGES: Readonly<Record<string, ScreenStage>> = { PRESAMPLE_HASH: 'presample', PROXY_DISTANCE: 'proxy', FULL_DISTANCE: 'full' };
const SEARCHES: Readonly<Record<string, SearchWish>> = {
  SEARCH_UNSPECIFIED: 'auto',
  SEARCH_AUTO: 'auto',
  SEARCH_SCAN: 'scan',
  SEARCH_HNSW: 'hnsw',
};
const KEY_BYTES = 12;

/** An OpenStep that is sound: everything of the queries but x itself. */
export interface StepOpening {
  readonly partitions: readonly number[];
  readonly xDtype: 'F32' | 'F64';
  readonly batch: number;
  readonly rowValues: number;
  readonly timeoutMs: number;
  readonly queries: Omit<StepQueries, 'x'>;
  readonly search: SearchWish;
  /** of the `wss` aggregator; 0 = none */
  readonly blockRows: number;
}

/**
 * @param shape [C, H, W] of the data set
 * @throws ARGUMENT_INVALID, TENSOR_INVALID for a row length that is not D, SUPPORTS_MISSING for a support set that `find` does not know
 */
export function decodeOpen(open: OpenStep__Output, shape: readonly [number, number, number], find: FindSupports): StepOpening {
  const B = open.batchRows;
  const D = shape[0] * shape[1] * shape[2];
  if (!(B >= 1 && B <= BATCH_ROWS_MAX)) throw argumentError('open.batch_rows', `1 to ${BATCH_ROWS_MAX} queries`, B);
  if (open.rowValues !== D) throw tensorError('open.row_values', `${D} values a row`, open.rowValues);
  if (open.xDtype !== 'F32' && open.xDtype !== 'F64') throw tensorError('open.x_dtype', 'F32 or F64', open.xDtype);
  if (open.partitions.length === 0 || open.partitions.some((id, i) => i > 0 && id <= open.partitions[i - 1]!)) {
    throw argumentError('open.partitions', 'at least one partition, ascending', open.partitions);
  }
  if (!(open.timeoutMs > 0)) throw argumentError('open.timeout_ms', 'a time above 0', open.timeoutMs);
  if (!isLevel(open.temperature)) throw argumentError('open.temperature', `a number from ${LEVEL_MIN} to ${LEVEL_MAX}`, open.temperature);
  if (open.labels.length !== 0 && open.labels.length !== B) throw argumentError('open.labels', `no label or ${B}`, `${open.labels.length} labels`);
  if (open.queryIds.length !== 0 && open.queryIds.length !== B) throw argumentError('open.query_ids', `no id or ${B}`, `${open.queryIds.length} ids`);
  const search = SEARCHES[open.search];
  if (search === undefined) throw argumentError('open.search', 'a SearchMethod', open.search);
  if (!(open.tolerance >= 0 && open.tolerance <= MASS_TOLERANCE_MAX))
    throw argumentError('open.tolerance', `a share from 0 to ${MASS_TOLERANCE_MAX}`, open.tolerance);
  const precision = decodePrecision(open, B, shape, find);
  const golden = open.queryIds.length === B || open.proxyResolution > 0;
  if (open.proxyResolution > 0) proxyGeometry(shape, open.proxyResolution);
  return {
    partitions: open.partitions,
    xDtype: open.xDtype,
    batch: B,
    rowValues: D,
    timeoutMs: open.timeoutMs,
    search,
    blockRows: open.blockRows,
    queries: {
      dataSet: open.dataSet,
      batch: B,
      alpha: levels('open.alpha', open.alpha, B),
      sigma: levels('open.sigma', open.sigma, B),
      temperature: open.temperature,
      ...(open.tolerance > 0 && { massTolerance: open.tolerance }),
      ...(precision && { precision }),
      labels: open.labels.length === 0 ? undefined : Int32Array.from(open.labels),
      golden: golden
        ? {
            proxyResolution: open.proxyResolution,
            presampleSeed: open.presampleSeed,
            presampleStep: open.presampleStep,
            queryIds: Uint32Array.from(open.queryIds),
          }
        : undefined,
    },
  };
}

export interface ScreenRequest {
  readonly stage: ScreenStage;
  readonly cuts: StageCuts;
  /** partition -> what it is asked for; partitions that no window names are left out */
  readonly ranks: ReadonlyMap<number, RankRequest>;
}

/** @throws ARGUMENT_INVALID */
export function decodeScreen(screen: Screen__Output, opening: StepOpening): ScreenRequest {
  const stage = STAGES[screen.stage];
  if (stage === undefined) throw argumentError('screen.stage', 'a screen stage', screen.stage);
  requireGolden('screen.stage', stage, opening);
  const cuts = decodeCuts('screen.cuts', screen.cuts, opening);
  const { batch, partitions } = opening;
  const ranks = new Map<number, RankRequest>();
  if (screen.windows.length === 0) {
    if (screen.rankFraction.length !== batch || screen.rankFraction.some((f) => !(f >= 0 && f <= 1))) {
      throw argumentError('screen.rank_fraction', `${batch} numbers from 0 to 1`, screen.rankFraction);
    }
    const fraction = Float64Array.from(screen.rankFraction);
    for (const partition of partitions) ranks.set(partition, { kind: 'fraction', fraction });
    return { stage, cuts, ranks };
  }
  if (screen.rankFraction.length !== 0) throw argumentError('screen', 'rank_fraction or windows', 'both');
  const byPartition = groupWindows(screen);
  for (const [partition, windows] of byPartition) {
    if (!partitions.includes(partition)) throw argumentError('screen.windows.partition', 'a partition of the step', partition);
    for (const { query, count } of windows) {
      if (query >= batch) throw argumentError('screen.windows.query', `a query below ${batch}`, query);
      if (count < 1) throw argumentError('screen.windows.count', 'at least 1', count);
    }
    ranks.set(partition, { kind: 'windows', windows });
  }
  return { stage, cuts, ranks };
}

function groupWindows(screen: Screen__Output): Map<number, { query: number; firstRank: number; count: number }[]> {
  const groups = new Map<number, { query: number; firstRank: number; count: number }[]>();
  for (const { partition, query, firstRank, count } of screen.windows) {
    const group = groups.get(partition);
    if (group) group.push({ query, firstRank, count });
    else groups.set(partition, [{ query, firstRank, count }]);
  }
  return groups;
}

export type AggregateRequest =
  | { readonly stage: 'scalars' | 'groups' | 'blocks'; readonly cuts: StageCuts }
  | {
      readonly stage: 'sums';
      readonly cuts: StageCuts;
      readonly global: GlobalScalars;
      readonly negligibleShare: number;
      readonly histogram: boolean;
    };

/** @throws ARGUMENT_INVALID */
export function decodeAggregate(aggregate: Aggregate__Output, opening: StepOpening): AggregateRequest {
  const cuts = { ...decodeCuts('aggregate.cuts', aggregate.cuts, opening), ...decodePoolShare(aggregate.poolShare, opening) };
  const grouped = opening.queries.precision !== undefined;
  if (opening.blockRows > 0) {
    if (aggregate.stage === 'BLOCKS') return { stage: 'blocks', cuts };
    throw argumentError('aggregate.stage', 'BLOCKS in a step with block_rows', aggregate.stage);
  }
  if (aggregate.stage === 'GROUPS' && grouped) return { stage: 'groups', cuts };
  if (aggregate.stage === 'SCALARS' && !grouped) return { stage: 'scalars', cuts };
  if (aggregate.stage !== 'SUMS' || grouped)
    throw argumentError('aggregate.stage', grouped ? 'GROUPS in a step with precisions' : 'SCALARS or SUMS', aggregate.stage);
  const { batch } = opening;
  if (aggregate.maxLogit.length !== batch || aggregate.maxLogit.some((m) => Number.isNaN(m) || m === Infinity)) {
    throw argumentError('aggregate.max_logit', `${batch} numbers, finite or -Infinity`, aggregate.maxLogit);
  }
  if (aggregate.mass.length !== batch || aggregate.mass.some((m) => !(m >= 0 && m < Infinity))) {
    throw argumentError('aggregate.mass', `${batch} finite numbers of at least 0`, aggregate.mass);
  }
  if (!(aggregate.negligibleShare >= 0 && aggregate.negligibleShare <= 1)) {
    throw argumentError('aggregate.negligible_share', 'a share from 0 to 1', aggregate.negligibleShare);
  }
  const global = { maxLogit: Float64Array.from(aggregate.maxLogit), mass: Float64Array.from(aggregate.mass) };
  return { stage: 'sums', cuts, global, negligibleShare: aggregate.negligibleShare, histogram: aggregate.histogram };
}

function decodeCuts(field: string, cuts: readonly CutVector__Output[], opening: StepOpening): StageCuts {
  const decoded: Partial<Record<ScreenStage, Cut>> = {};
  cuts.forEach((cut, i) => {
    const stage = STAGES[cut.stage];
    if (stage === undefined || decoded[stage] !== undefined) throw argumentError(`${field}[${i}].stage`, 'each stage once', cut.stage);
    if (cut.key.some((key) => key !== Infinity)) requireGolden(`${field}[${i}].stage`, stage, opening);
    if (cut.key.length !== opening.batch || cut.key.some(Number.isNaN))
      throw argumentError(`${field}[${i}].key`, `${opening.batch} numbers`, cut.key);
    if (cut.rowId.length !== opening.batch) throw argumentError(`${field}[${i}].row_id`, `${opening.batch} row ids`, `${cut.rowId.length} row ids`);
    decoded[stage] = { key: Float64Array.from(cut.key), rowId: Uint32Array.from(cut.rowId) };
  });
  return decoded;
}

function decodePoolShare(share: readonly number[], opening: StepOpening): Pick<StageCuts, 'poolShare'> {
  if (share.length === 0) return {};
  if (share.length !== opening.batch || share.some((s) => !(s >= 0 && s <= 1)))
    throw argumentError('aggregate.pool_share', `${opening.batch} numbers from 0 to 1`, share);
  if (opening.queries.precision !== undefined) throw argumentError('aggregate.pool_share', 'none in a step with precisions', share);
  requireGolden('aggregate.pool_share', 'proxy', opening);
  return { poolShare: Float64Array.from(share) };
}

/** A stage needs what OpenStep said for it. */
function requireGolden(field: string, stage: ScreenStage, { queries, batch }: StepOpening): void {
  if (stage === 'presample' && queries.golden?.queryIds.length !== batch)
    throw argumentError(field, 'a stage whose query_ids were opened', 'PRESAMPLE_HASH');
  if (stage === 'proxy' && !(queries.golden && queries.golden.proxyResolution > 0)) {
    throw argumentError(field, 'a stage whose proxy_resolution was opened', 'PROXY_DISTANCE');
  }
}

function levels(field: string, values: readonly number[], batch: number): Float64Array {
  if (values.length !== batch || !values.every(isLevel)) throw argumentError(field, `${batch} numbers from ${LEVEL_MIN} to ${LEVEL_MAX}`, values);
  return Float64Array.from(values);
}

function isLevel(value: number): boolean {
  return value >= LEVEL_MIN && value <= LEVEL_MAX;
}

/**
 * The keys of one partition as one message, or several where they are many; each holds whole queries.
 * @param searchedRows rows that an index found the eligible ones among; 0 = no index was used
 */
export function encodeScreen(partition: number, screen: PartitionScreen, searchedRows = 0, partBytes = SCREEN_PART_BYTES): ScreenPart[] {
  const parts: ScreenPart[] = [];
  let firstQuery = 0;
  let firstKey = 0;
  let key = 0;
  const flush = (end: number): void => {
    parts.push({
      partition,
      queries: [...screen.queries.subarray(firstQuery, end)],
      eligible: [...screen.eligible.subarray(firstQuery, end)],
      firstRank: [...screen.firstRank.subarray(firstQuery, end)],
      count: [...screen.count.subarray(firstQuery, end)],
      keys: bytesOf(screen.keys.subarray(firstKey, key)),
      rowIds: bytesOf(screen.rowIds.subarray(firstKey, key)),
      searchedRows,
    });
    firstQuery = end;
    firstKey = key;
  };
  for (let i = 0; i < screen.queries.length; i++) {
    const count = screen.count[i]!;
    if (i > firstQuery && (key - firstKey + count) * KEY_BYTES > partBytes) flush(i);
    key += count;
  }
  flush(screen.queries.length);
  return parts;
}

export function encodeProofs(partition: number, proofs: PoolProofs): PoolProof {
  const { eligible, relevant, relevantKey, unseenKey, rank, least, most } = proofs;
  return {
    partition,
    eligible: Array.from(eligible),
    relevant: Array.from(relevant),
    relevantKey: Array.from(relevantKey),
    unseenKey: Array.from(unseenKey),
    rank: Array.from(rank),
    least: Array.from(least),
    most: Array.from(most),
  };
}

/** The array's own memory as bytes; leave the array alone until the message has gone. */
export function bytesOf(array: ArrayBufferView): Buffer {
  return Buffer.from(array.buffer as ArrayBuffer, array.byteOffset, array.byteLength);
}

function tensorError(field: string, expected: string, received: unknown): GolddiffError {
  return new GolddiffError('TENSOR_INVALID', expectation(field, expected, received), { field });
}
