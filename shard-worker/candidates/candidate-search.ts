/**
 * Candidates of one step in one partition, where an index is to find them: plans, searches, counts, and measures the recall of some searches.
 *
 * A search must not miss the pool's share of this partition. Its cut lies near rank f n of the n rows, so the candidates are the rows up to the end of
 * the window of ranks in which rank selection looks for it (shared/math/rank-selection.ts); the backend computes their true keys, and the cut is
 * found among them. What the graph misses of them, the recall tells.
 */

import { INDEX_RECALL_SAMPLE } from '../../shared/limits.js';
import type { Logger } from '../../shared/log.js';
import { presampleHash } from '../../shared/math/counter-noise.js';
import { noiseShare } from '../../shared/math/noise-schedule.js';
import { poolRow, proxyGeometry, type ProxyGeometry } from '../../shared/math/proxy.js';
import { rankWindow } from '../../shared/math/rank-selection.js';
import type { Backend, CandidateLists, RankRequest, StepQueries } from '../backends/backend.js';
import type { CandidateIndexes } from './candidate-indexes.js';
import { planSearch, type SearchMethod, type SearchPlan, type SearchReason, type SearchWish } from './search-planner.js';

export interface CandidateSearchSettings {
  readonly indexes: CandidateIndexes;
  readonly backend: Backend;
  readonly log: Logger;
  /** share of the searched queries that are compared with the scan, 0 to 1 */
  readonly recallSample?: number;
  /** for each proxy stage: queries of one partition */
  readonly onSearch?: (method: SearchMethod, reason: SearchReason, queries: number) => void;
  /** share of the rows of the true pool that are among the candidates, of one query in one partition */
  readonly onRecall?: (recall: number) => void;
}

export interface StepSearch {
  readonly partition: number;
  /** [C, H, W] */
  readonly shape: readonly [number, number, number];
  readonly wish: SearchWish;
  /** x, alpha, sigma, labels and golden are read */
  readonly queries: StepQueries;
  /** [B] rows wanted / rows, 0 = all pass */
  readonly fraction: Float64Array;
  /** turns 1 when the step is closed */
  readonly cancelled: Int32Array;
}

export interface StepCandidates {
  readonly lists: CandidateLists;
  /** n */
  readonly rows: number;
  /** the keys to ask of the restricted partition in place of the fraction */
  readonly ranks: Extract<RankRequest, { kind: 'windows' }>;
}

export class CandidateSearch {
  readonly #settings: CandidateSearchSettings;
  /** partition and reason that the log has told */
  readonly #told = new Set<string>();
  #searched = 0;
  #measuring: Promise<void> | undefined;

  constructor(settings: CandidateSearchSettings) {
    this.#settings = settings;
  }

  /** undefined = scan. */
  async find(search: StepSearch): Promise<StepCandidates | undefined> {
    const { queries, fraction, partition, shape } = search;
    const { indexes, onSearch } = this.#settings;
    const ref = { dataSet: queries.dataSet, partition };
    const rows = indexes.rows(ref) ?? 0;
    const geometry = proxyGeometry(shape, queries.golden?.proxyResolution ?? 0);
    const windows = [...fraction].map((f, query) => ({ query, ...rankWindow(f, rows) }));
    const wanted = Uint32Array.from(windows, ({ firstRank, count }) => firstRank + count);
    const plan = this.#plan(search, rows, geometry, wanted);
    if (plan.method === 'scan') {
      onSearch?.(plan.method, plan.reason, queries.batch);
      return undefined;
    }
    const points = pointsOf(queries, shape, geometry);
    const found = await indexes.search(ref, geometry.resolution, points, wanted, search.cancelled).catch((thrown: unknown) => {
      // The partition was let go meanwhile, or its thread is gone: what can be answered without an index is.
      if (Atomics.load(search.cancelled, 0) === 0)
        this.#settings.log.warn({ ...ref, err: thrown }, 'a search of an index failed, the partition is scanned');
      return undefined;
    });
    onSearch?.(found ? 'hnsw' : 'scan', found ? plan.reason : 'not_ready', queries.batch);
    if (found === undefined) return undefined;
    const lists = found.map((list, b) => (wanted[b] === 0 ? undefined : list));
    this.#sampleRecall(search, rows, lists);
    return { lists, rows, ranks: { kind: 'windows', windows: windows.flatMap((window) => clipped(window, lists[window.query]?.length ?? 0)) } };
  }

  /** Resolves when no recall is being measured. */
  async idle(): Promise<void> {
    while (this.#measuring) await this.#measuring;
  }

  #plan({ queries, wish, partition }: StepSearch, rows: number, geometry: ProxyGeometry, wanted: Uint32Array): SearchPlan {
    const { indexes, backend } = this.#settings;
    const ref = { dataSet: queries.dataSet, partition };
    const index = indexes.state(ref, geometry.resolution);
    const facts = {
      wish,
      backend: backend.name,
      supported: backend.takesCandidates,
      index,
      labelled: queries.labels?.some((label) => label !== -1) ?? false,
      rows,
      proxyValues: geometry.values,
      wanted: wanted.reduce((most, count) => Math.max(most, count), 0),
      batch: queries.batch,
      noise: queries.alpha.reduce((most, alpha, b) => Math.max(most, noiseShare({ alpha, sigma: queries.sigma[b]! })), 0),
    };
    const plan = planSearch(facts);
    if (plan.reason === 'not_ready') indexes.begin(ref, geometry.resolution);
    if (wish === 'hnsw' && plan.method === 'scan') this.#tell(ref.dataSet, partition, `${plan.reason}, index ${index}`, geometry.resolution);
    return plan;
  }

  /** Once for each partition and reason: requests come by the thousand. */
  #tell(dataSet: string, partition: number, reason: string, resolution: number): void {
    const name = `${partition}/${resolution}/${reason}/${dataSet}`;
    if (this.#told.has(name)) return;
    this.#told.add(name);
    this.#settings.log.info({ dataSet, partition, resolution, reason }, 'search hnsw was asked for and the partition scanned');
  }

  #sampleRecall(search: StepSearch, rows: number, lists: CandidateLists): void {
    const share = this.#settings.recallSample ?? INDEX_RECALL_SAMPLE;
    const sampled: number[] = [];
    lists.forEach((list, b) => {
      if (list !== undefined && presampleHash(0, 0, this.#searched++ % 2 ** 32, 0) < share) sampled.push(b);
    });
    // One at a time, and what comes meanwhile is left out: measuring must never become the load.
    if (sampled.length === 0 || this.#measuring) return;
    this.#measuring = this.#measure(search, rows, lists, sampled)
      .catch((thrown: unknown) => this.#settings.log.warn({ err: thrown }, 'the recall of a search was not measured'))
      .finally(() => (this.#measuring = undefined));
  }

  /** The scan's rows of the pool against the candidates, by a step of its own. */
  async #measure({ queries, fraction, partition }: StepSearch, rows: number, lists: CandidateLists, sampled: readonly number[]): Promise<void> {
    const rowIds = this.#settings.indexes.rowIds({ dataSet: queries.dataSet, partition });
    if (!rowIds) return;
    const step = this.#settings.backend.openStep(picked(queries, sampled));
    try {
      const windows = sampled.map((b, query) => ({ query, firstRank: 0, count: Math.max(1, Math.floor(fraction[b]! * rows)) }));
      const scan = await step.screen(partition, 'proxy', {}, { kind: 'windows', windows });
      let at = 0;
      sampled.forEach((b, k) => {
        const held = new Set(Array.from(lists[b]!, (row) => rowIds[row]));
        const { count } = windows[k]!;
        let hits = 0;
        for (const id of scan.rowIds.subarray(at, at + count)) if (held.has(id)) hits++;
        at += count;
        this.#settings.onRecall?.(hits / count);
      });
    } finally {
      step.close();
    }
  }
}

/** Keys of ranks that the candidates have. */
function clipped({ query, firstRank, count }: { query: number; firstRank: number; count: number }, candidates: number) {
  const first = Math.min(firstRank, Math.max(0, candidates - 1));
  const kept = Math.min(count, candidates - first);
  return kept > 0 ? [{ query, firstRank: first, count: kept }] : [];
}

/** [B, d] pool(x) / alpha */
function pointsOf({ x, batch, alpha }: StepQueries, shape: readonly [number, number, number], geometry: ProxyGeometry): Float64Array {
  const points = new Float64Array(batch * geometry.values);
  for (let b = 0; b < batch; b++) {
    const point = points.subarray(b * geometry.values, (b + 1) * geometry.values);
    poolRow(x, b * shape[0] * shape[1] * shape[2], shape, geometry, point);
    for (let p = 0; p < point.length; p++) point[p] = point[p]! / alpha[b]!;
  }
  return points;
}

/** For a screen: how the rows are weighed later does not matter to it. */
function picked({ precision: _, ...queries }: StepQueries, sampled: readonly number[]): StepQueries {
  const D = queries.x.length / queries.batch;
  const x = new Float64Array(sampled.length * D);
  sampled.forEach((b, k) => x.set(queries.x.subarray(b * D, (b + 1) * D), k * D));
  return {
    ...queries,
    batch: sampled.length,
    x,
    alpha: Float64Array.from(sampled, (b) => queries.alpha[b]!),
    sigma: Float64Array.from(sampled, (b) => queries.sigma[b]!),
    labels: undefined,
    golden: queries.golden && { ...queries.golden, queryIds: Uint32Array.from(sampled, (b) => queries.golden!.queryIds[b]!) },
  };
}
