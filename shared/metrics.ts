/**
 * Every metric of every process: name, help, labels, buckets. docs/METRICS.md is checked against these tables both ways. Labels take values from
 * closed sets only (methods, statuses, phases, outcomes), never ids or names that a caller chooses.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { packageRoot } from './package-root.js';

export type Component = 'coordinator' | 'shard-worker';

interface Definition {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

/** Calls take from a fraction of a millisecond (a step over a small data set) to a minute (an exact step over a large one). */
export const DURATION_BUCKETS_SECONDS = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const;
/** Rows: a handful at low noise, the whole of a large data set at high noise. */
const ROW_BUCKETS = [1, 3, 10, 30, 100, 300, 1e3, 3e3, 1e4, 3e4, 1e5, 3e5, 1e6, 1e7] as const;
/** Recall: from useless to perfect. */
const RECALL_BUCKETS = [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1] as const;
/** Builds of an index take from a second to the better part of an hour. */
const BUILD_BUCKETS_SECONDS = [1, 3, 10, 30, 100, 300, 1000, 3000] as const;
/** Mass: from below what a float32 sum can show up to all of it. */
const MASS_BUCKETS = [0, 1e-12, 1e-9, 1e-6, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1] as const;

export const COMMON_METRICS = {
  buildInfo: { name: 'golddiff_build_info', type: 'gauge', labels: ['component', 'version', 'node'], help: 'Always 1; the labels say what runs.' },
  dataPlaneBytes: {
    name: 'golddiff_data_plane_bytes_total',
    type: 'counter',
    labels: ['direction'],
    help: 'Bytes of tensors and partials moved between coordinators and workers, by direction (sent, received).',
  },
  stepStreamBytes: {
    name: 'golddiff_step_stream_bytes_total',
    type: 'counter',
    labels: ['direction'],
    help: 'Bytes of all messages of steps between coordinators and workers, requests, cuts and scalars included, as they are serialised, by direction (sent, received).',
  },
  stepStreamMessages: {
    name: 'golddiff_step_stream_messages_total',
    type: 'counter',
    labels: ['direction'],
    help: 'Messages of steps between coordinators and workers, by direction (sent, received).',
  },
  fetchedBytes: {
    name: 'golddiff_dataset_fetched_bytes_total',
    type: 'counter',
    labels: ['source'],
    help: 'Bytes of data sets that arrived from elsewhere, by source (http, object_store).',
  },
  fetchErrors: {
    name: 'golddiff_dataset_fetch_errors_total',
    type: 'counter',
    labels: ['source', 'reason'],
    help: 'Tries to fetch a file that failed, by source and reason (connection, stalled, status, missing, checksum, disk).',
  },
} as const satisfies Record<string, Definition>;

export const COORDINATOR_METRICS = {
  requests: {
    name: 'golddiff_coordinator_requests_total',
    type: 'counter',
    labels: ['method', 'code'],
    help: 'Public calls that ended, by method (Service/Method) and gRPC status code.',
  },
  requestSeconds: {
    name: 'golddiff_coordinator_request_duration_seconds',
    type: 'histogram',
    labels: ['method'],
    buckets: DURATION_BUCKETS_SECONDS,
    help: 'Wall time of public calls.',
  },
  phaseSeconds: {
    name: 'golddiff_coordinator_step_phase_duration_seconds',
    type: 'histogram',
    labels: ['phase'],
    buckets: DURATION_BUCKETS_SECONDS,
    help: 'Wall time of the phases of a step: queue, scatter, screen, aggregate, merge.',
  },
  rowsScored: { name: 'golddiff_coordinator_rows_scored_total', type: 'counter', labels: [], help: 'Rows in the sums, added up over queries.' },
  goldenRows: {
    name: 'golddiff_coordinator_golden_rows',
    type: 'histogram',
    labels: [],
    buckets: ROW_BUCKETS,
    help: 'Rows in the golden subset of a query.',
  },
  effectiveSupport: {
    name: 'golddiff_coordinator_effective_support_rows',
    type: 'histogram',
    labels: [],
    buckets: ROW_BUCKETS,
    help: 'Effective support of a query, (sum w)^2 / sum w^2.',
  },
  tailMassBound: {
    name: 'golddiff_coordinator_tail_mass_bound',
    type: 'histogram',
    labels: ['kind'],
    buckets: MASS_BUCKETS,
    help: 'Bound on the posterior mass of the rows left out of a query, by kind of bound (EXACT, CERTIFIED, HEURISTIC).',
  },
  budgetQueries: {
    name: 'golddiff_coordinator_tail_mass_budget_queries_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Queries with an error budget (max_tail_mass), by what it took: held (the first golden subset), raised (a larger one), exact (all rows).',
  },
  hedges: {
    name: 'golddiff_coordinator_hedges_total',
    type: 'counter',
    labels: [],
    help: 'Questions that were put to a second replica while the first one was late.',
  },
  hedgeWins: {
    name: 'golddiff_coordinator_hedge_wins_total',
    type: 'counter',
    labels: [],
    help: 'Hedges that answered before the first replica, which was cancelled.',
  },
  hedgesDenied: {
    name: 'golddiff_coordinator_hedges_denied_total',
    type: 'counter',
    labels: ['reason'],
    help: 'Hedges that were due and not made, by reason: budget (no token left), replicas (nobody else holds the partitions).',
  },
  hedgeTokens: { name: 'golddiff_coordinator_hedge_tokens', type: 'gauge', labels: [], help: 'Hedges that the budget allows now.' },
  retries: {
    name: 'golddiff_coordinator_retries_total',
    type: 'counter',
    labels: ['reason', 'scope'],
    help: 'Work of a failed worker that was done again elsewhere, by reason (lost, draining, stale, missing, supports) and scope: share (its partitions, within the step) or step (all of it).',
  },
  epochRefreshes: {
    name: 'golddiff_coordinator_epoch_refreshes_total',
    type: 'counter',
    labels: [],
    help: 'Steps that met a worker of a newer placement, and went on with that placement.',
  },
  coverage: {
    name: 'golddiff_coordinator_coverage_ratio',
    type: 'gauge',
    labels: [],
    help: 'Share of the rows of the served data sets that a live worker holds, 0 to 1.',
  },
  openSteps: { name: 'golddiff_coordinator_open_steps', type: 'gauge', labels: [], help: 'Steps that run now.' },
  queueDepth: { name: 'golddiff_coordinator_queue_depth', type: 'gauge', labels: [], help: 'Steps that wait for a place.' },
  workersLive: { name: 'golddiff_coordinator_workers_live', type: 'gauge', labels: [], help: 'Workers whose lease is live.' },
  leader: {
    name: 'golddiff_coordinator_leader',
    type: 'gauge',
    labels: [],
    help: '1 on the coordinator that leads, which plans the placement, 0 on the others.',
  },
  leadsTaken: { name: 'golddiff_coordinator_leads_taken_total', type: 'counter', labels: [], help: 'Times that this coordinator took the lead.' },
  placementEpoch: {
    name: 'golddiff_coordinator_placement_epoch',
    type: 'gauge',
    labels: [],
    help: 'Epoch of the placement in effect, as this coordinator knows it; 0 = none yet.',
  },
  epochSkew: {
    name: 'golddiff_coordinator_epoch_skew',
    type: 'gauge',
    labels: [],
    help: 'Largest distance between the epoch in effect and the newest epoch of a live worker that it names; not 0 while partitions move.',
  },
  partitions: {
    name: 'golddiff_coordinator_partitions',
    type: 'gauge',
    labels: ['replicas'],
    help: 'Partitions of the served data set by their live replicas: 0 (missing), 1 (without a second), 2_or_more.',
  },
  partitionsShort: {
    name: 'golddiff_coordinator_partitions_short',
    type: 'gauge',
    labels: [],
    help: 'Partitions with fewer live replicas than --replicas asks for.',
  },
  controlPlaneUp: {
    name: 'golddiff_coordinator_control_plane_up',
    type: 'gauge',
    labels: [],
    help: '1 where the control plane told of its jobs for this scrape, else 0: the figures of jobs are then the last ones known.',
  },
  jobs: {
    name: 'golddiff_coordinator_jobs',
    type: 'gauge',
    labels: ['state'],
    help: 'Jobs of the whole cluster whose records are kept, by state (queued, running, succeeded, failed, cancelled).',
  },
  jobQueueLag: {
    name: 'golddiff_coordinator_job_queue_lag_seconds',
    type: 'gauge',
    labels: [],
    help: 'Age of the oldest job that waits, of the whole cluster; 0 = none waits.',
  },
  jobDeadLetters: {
    name: 'golddiff_coordinator_job_dead_letters',
    type: 'gauge',
    labels: [],
    help: 'Jobs of the whole cluster that were given up after their last delivery and whose letter is kept.',
  },
  jobDeliveries: {
    name: 'golddiff_coordinator_job_deliveries_total',
    type: 'counter',
    labels: ['kind'],
    help: 'Jobs that this coordinator took up, by kind: first, again (given back, or left by one that died).',
  },
  jobRuns: {
    name: 'golddiff_coordinator_job_runs_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Runs of jobs that ended on this coordinator, by outcome: succeeded, failed, given_back, lost (the lease was, or the job was cancelled).',
  },
} as const satisfies Record<string, Definition>;

export const WORKER_METRICS = {
  steps: {
    name: 'golddiff_worker_steps_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Steps that ended, by outcome (ok, failed, cancelled).',
  },
  backendInfo: {
    name: 'golddiff_worker_backend_info',
    type: 'gauge',
    labels: ['backend', 'variant', 'choice'],
    help: 'Always 1; the labels say what computes: backend (native, cuda, tfjs, reference), variant (instruction set or TensorFlow.js package) and choice (asked, fastest, fallback).',
  },
  computeSeconds: {
    name: 'golddiff_worker_compute_duration_seconds',
    type: 'histogram',
    labels: ['phase'],
    buckets: DURATION_BUCKETS_SECONDS,
    help: 'Compute time of one request within a step, by phase (screen, scalars, sums, groups, blocks).',
  },
  residentBytes: { name: 'golddiff_worker_resident_bytes', type: 'gauge', labels: [], help: 'Bytes of rows held ready for scoring.' },
  partitionsHeld: { name: 'golddiff_worker_partitions_held', type: 'gauge', labels: [], help: 'Partitions that are loaded and served.' },
  partitionsFailed: {
    name: 'golddiff_worker_partitions_failed',
    type: 'gauge',
    labels: [],
    help: 'Partitions assigned but not served, such as for a wrong checksum.',
  },
  rowsScored: {
    name: 'golddiff_worker_rows_scored_total',
    type: 'counter',
    labels: ['stage'],
    help: 'Rows that steps had looked at, added up over queries, by stage: presample, proxy and full (rows among which the nearest were found), proof (rows that a proof of the pool speaks of), sums (rows in the sums).',
  },
  placementEpoch: {
    name: 'golddiff_worker_placement_epoch',
    type: 'gauge',
    labels: [],
    help: 'Newest placement epoch at which this worker holds partitions; 0 = none.',
  },
  partitionsLoading: {
    name: 'golddiff_worker_partitions_loading',
    type: 'gauge',
    labels: [],
    help: 'Partitions that are being fetched or loaded, or wait for it.',
  },
  cacheRequests: {
    name: 'golddiff_worker_data_cache_requests_total',
    type: 'counter',
    labels: ['outcome'],
    help: 'Files asked of the data cache, by outcome: hit, miss (fetched), damaged (found by its checksum, thrown away and asked for again).',
  },
  cacheBytes: {
    name: 'golddiff_worker_data_cache_bytes',
    type: 'gauge',
    labels: [],
    help: 'Bytes in the data cache of the machine, files being fetched counted whole, when this worker started or last fetched one.',
  },
  cacheEvictions: {
    name: 'golddiff_worker_data_cache_evictions_total',
    type: 'counter',
    labels: [],
    help: 'Files that this worker took out of the data cache to make room.',
  },
  openSteps: { name: 'golddiff_worker_open_steps', type: 'gauge', labels: [], help: 'Steps that are open on the worker now.' },
  proxySearches: {
    name: 'golddiff_worker_proxy_searches_total',
    type: 'counter',
    labels: ['method', 'reason'],
    help: 'Queries whose candidates were found in one partition, by method (scan, hnsw) and reason (asked, faster, slower, noisy, not_ready, labels, too_many, unsupported).',
  },
  indexRecall: {
    name: 'golddiff_worker_index_recall_ratio',
    type: 'histogram',
    labels: [],
    buckets: RECALL_BUCKETS,
    help: 'Share of the rows nearest by proxy that a search of an index found, for a sample of the queries, against the scan.',
  },
  indexBuildSeconds: {
    name: 'golddiff_worker_index_build_duration_seconds',
    type: 'histogram',
    labels: [],
    buckets: BUILD_BUCKETS_SECONDS,
    help: 'Wall time of building the index of one partition in the background.',
  },
  indexBytes: { name: 'golddiff_worker_index_bytes', type: 'gauge', labels: [], help: 'Bytes of the indexes that are held, loaded or built.' },
  indexesReady: { name: 'golddiff_worker_indexes_ready', type: 'gauge', labels: [], help: 'Indexes that take part in searches.' },
} as const satisfies Record<string, Definition>;

type MetricOf<D extends Definition> = D['type'] extends 'counter'
  ? Counter<D['labels'][number]>
  : D['type'] extends 'gauge'
    ? Gauge<D['labels'][number]>
    : Histogram<D['labels'][number]>;
type MetricsOf<T extends Record<string, Definition>> = { readonly [K in keyof T]: MetricOf<T[K]> };

export type CoordinatorMetrics = MetricsOf<typeof COMMON_METRICS> & MetricsOf<typeof COORDINATOR_METRICS> & { readonly registry: Registry };
export type WorkerMetrics = MetricsOf<typeof COMMON_METRICS> & MetricsOf<typeof WORKER_METRICS> & { readonly registry: Registry };

/** Own and process metrics (event-loop lag, memory, garbage collection) of one process, in a registry of its own. */
export function createMetrics(component: 'coordinator'): CoordinatorMetrics;
export function createMetrics(component: 'shard-worker'): WorkerMetrics;
export function createMetrics(component: Component): CoordinatorMetrics | WorkerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const own = component === 'coordinator' ? COORDINATOR_METRICS : WORKER_METRICS;
  const entries = Object.entries<Definition>({ ...COMMON_METRICS, ...own }).map(([key, definition]) => [key, build(definition, registry)] as const);
  const metrics = { ...Object.fromEntries(entries), registry } as unknown as CoordinatorMetrics | WorkerMetrics;
  metrics.buildInfo.set({ component, version: packageVersion(), node: process.version }, 1);
  return metrics;
}

/** Version of the package, from package.json. */
export function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown';
}

function build(definition: Definition, registry: Registry): Counter | Gauge | Histogram {
  const settings = { name: definition.name, help: definition.help, labelNames: [...definition.labels], registers: [registry] };
  if (definition.type === 'counter') return new Counter(settings);
  if (definition.type === 'gauge') return new Gauge(settings);
  return new Histogram({ ...settings, buckets: [...(definition.buckets ?? DURATION_BUCKETS_SECONDS)] });
}
