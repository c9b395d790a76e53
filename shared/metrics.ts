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
  coverage: {
    name: 'golddiff_coordinator_coverage_ratio',
    type: 'gauge',
    labels: [],
    help: 'Share of the rows of the served data sets that a live worker holds, 0 to 1.',
  },
  openSteps: { name: 'golddiff_coordinator_open_steps', type: 'gauge', labels: [], help: 'Steps that run now.' },
  queueDepth: { name: 'golddiff_coordinator_queue_depth', type: 'gauge', labels: [], help: 'Steps that wait for a place.' },
  workersLive: { name: 'golddiff_coordinator_workers_live', type: 'gauge', labels: [], help: 'Workers whose lease is live.' },
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
