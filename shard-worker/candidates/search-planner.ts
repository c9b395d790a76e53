/**
 * How the rows nearest by proxy are found in one partition: by the distance to every row, or by its index. A pure function of the request and of what is
 * at hand; the costs are CPU times that `node dist/test/bench/candidate-search.js ROWS RESOLUTION BACKEND QUERIES` measured on an AVX-512 machine, with
 * 20,000 and 120,000 rows, resolutions 14 and 7, backends reference and native, and 1 and 16 queries.
 */

import { invariant } from '../../shared/errors.js';
import { INDEX_ROWS_MIN } from '../../shared/limits.js';
import { searchWidth } from './index-parameters.js';
import type { BackendName } from '../backends/backend.js';
import type { IndexState } from './candidate-indexes.js';

export type SearchWish = 'auto' | 'scan' | 'hnsw';
export const SEARCH_METHODS = ['scan', 'hnsw'] as const;
export type SearchMethod = (typeof SEARCH_METHODS)[number];
/** asked: as the request says; faster, slower: by the costs; the others say why an index is not used. */
export const SEARCH_REASONS = ['asked', 'faster', 'slower', 'noisy', 'not_ready', 'labels', 'too_many', 'unsupported'] as const;
export type SearchReason = (typeof SEARCH_REASONS)[number];

export interface SearchPlan {
  readonly method: SearchMethod;
  readonly reason: SearchReason;
}

export interface SearchFacts {
  readonly wish: SearchWish;
  readonly backend: BackendName;
  /** the backend takes candidates */
  readonly supported: boolean;
  readonly index: IndexState;
  /** some query is over the rows of one label */
  readonly labelled: boolean;
  /** n */
  readonly rows: number;
  /** d */
  readonly proxyValues: number;
  /** candidates that the hardest query of the batch wants from this partition */
  readonly wanted: number;
  /** B */
  readonly batch: number;
  /** sigma / sqrt(alpha^2 + sigma^2) of the noisiest query, in (0, 1) */
  readonly noise: number;
}

/** Time of a scan: of the pass over the proxies, which a batch shares, of each query's distances, and of each query's ranking of n keys. */
interface ScanCost {
  readonly passNsPerValue: number;
  readonly queryNsPerValue: number;
  readonly queryNsPerRow: number;
}
/** Of the backends that take candidates. */
const SCAN_COSTS: Readonly<Partial<Record<BackendName, ScanCost>>> = {
  reference: { passNsPerValue: 0.6, queryNsPerValue: 0.92, queryNsPerRow: 92 },
  native: { passNsPerValue: 0.2, queryNsPerValue: 0.04, queryNsPerRow: 30 },
  tfjs: { passNsPerValue: 0.3, queryNsPerValue: 0.3, queryNsPerRow: 25 },
};
/** Time of one search of an index: its fixed part, and of each row looked at for itself and for each value of it. */
const HNSW_NS = 40_000;
const HNSW_NS_PER_ROW_SEEN = 700;
const HNSW_NS_PER_VALUE_SEEN = 1.6;
/** Searches touch memory at random: the more rows, the fewer of them are in a cache. */
const HNSW_ROWS_MEASURED = 20_000;
const HNSW_GROWTH_PER_DOUBLING = 0.4;
/** Auto uses an index only where it must win clearly: the costs are of another machine than this one. */
const MARGIN = 1.5;
/** Above this a query lies far from every row, and the graph finds less than .99 of the nearest: t = 300 of the DDPM schedule has .78, t = 400 .90. */
export const AUTO_NOISE_MAX = 0.8;

export function planSearch(facts: SearchFacts): SearchPlan {
  const { wish, wanted, rows } = facts;
  if (wish === 'scan') return scan('asked');
  if (!facts.supported) return scan('unsupported');
  if (facts.labelled) return scan('labels');
  if (wanted >= rows) return scan('too_many');
  if (wish === 'hnsw') return facts.index === 'ready' ? { method: 'hnsw', reason: 'asked' } : scan('not_ready');
  if (facts.noise > AUTO_NOISE_MAX) return scan('noisy');
  if (rows < INDEX_ROWS_MIN) return scan('slower');
  if (hnswNs(facts) * MARGIN >= scanNs(facts)) return scan('slower');
  return facts.index === 'ready' ? { method: 'hnsw', reason: 'faster' } : scan('not_ready');
}

/** Nanoseconds for a query of the batch, by the scan. */
export function scanNs({ backend, rows, proxyValues, batch }: Pick<SearchFacts, 'backend' | 'rows' | 'proxyValues' | 'batch'>): number {
  const cost = scanCost(backend);
  return rows * (proxyValues * (cost.passNsPerValue / batch + cost.queryNsPerValue) + cost.queryNsPerRow);
}

/** Nanoseconds for a query of the batch, by the index, and the exact distances to its candidates. */
export function hnswNs({ backend, rows, proxyValues, wanted }: Pick<SearchFacts, 'backend' | 'rows' | 'proxyValues' | 'wanted'>): number {
  const growth = Math.max(1, 1 + HNSW_GROWTH_PER_DOUBLING * Math.log2(rows / HNSW_ROWS_MEASURED));
  const graph = HNSW_NS + searchWidth(wanted, rows) * (HNSW_NS_PER_ROW_SEEN + proxyValues * HNSW_NS_PER_VALUE_SEEN) * growth;
  const cost = scanCost(backend);
  return graph + wanted * (proxyValues * (cost.passNsPerValue + cost.queryNsPerValue) + cost.queryNsPerRow);
}

function scanCost(backend: BackendName): ScanCost {
  const cost = SCAN_COSTS[backend];
  invariant(cost !== undefined, 'a backend that takes candidates has costs');
  return cost;
}

function scan(reason: SearchReason): SearchPlan {
  return { method: 'scan', reason };
}
