/**
 * Every metric of every process: name, labels with their values, help, buckets. docs/METRICS.md, the dashboards and the rules of deploy/ are checked against
 * these tables. Labels take values from the closed sets that stand here, never ids or names that a caller chooses.
 */

import { status as GrpcStatus } from '@grpc/grpc-js';

export type Component = 'coordinator' | 'shard-worker';

/** Labels with the values that each may take. */
type LabelValues = Readonly<Record<string, readonly string[]>>;

export interface Definition<
  Type extends 'counter' | 'gauge' | 'histogram' = 'counter' | 'gauge' | 'histogram',
  Label extends string = string,
  Values extends LabelValues = LabelValues,
> {
  readonly name: string;
  readonly type: Type;
  readonly help: string;
  readonly labels: readonly Label[];
  /** [] = what a program calls itself: its version, an instruction set */
  readonly values: Values;
  readonly buckets?: readonly number[];
  /** observed by observeTraced of metrics-text.ts */
  readonly exemplars?: true;
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

/** Bands of the timesteps 0 .. 999. */
export const NOISE_BANDS = ['0-99', '100-199', '200-299', '300-399', '400-499', '500-599', '600-699', '700-799', '800-899', '900-999'] as const;
export const PHASES = ['queue', 'scatter', 'screen', 'aggregate', 'merge', 'sampler', 'serialise'] as const;
export type Phase = (typeof PHASES)[number];
/** As coordinator/round-times.ts has them. */
export const ROUND_STAGES = ['OPEN', 'PROOFS', 'PRESAMPLE_HASH', 'PROXY_DISTANCE', 'FULL_DISTANCE', 'SCALARS', 'SUMS', 'GROUPS', 'BLOCKS'] as const;
/** Calls of proto/golddiff/v1 that a coordinator serves; a test compares. */
export const PUBLIC_METHODS = [
  'ScoreService/Score',
  'ScoreService/ScoreStream',
  'SamplingService/Sample',
  'DatasetService/List',
  'DatasetService/Get',
  'JobService/Submit',
  'JobService/Get',
  'JobService/List',
  'JobService/Watch',
  'JobService/Cancel',
  'JobService/Result',
  'ClusterService/Status',
  'ClusterService/Drain',
] as const;
const GRPC_CODES = Object.keys(GrpcStatus).filter((key) => Number.isNaN(Number(key)));
const COMPONENTS: readonly Component[] = ['coordinator', 'shard-worker'];
const DIRECTIONS = ['sent', 'received'] as const;
const SOURCES = ['http', 'object_store'] as const;
const OPEN: readonly string[] = [];

function counter<const L extends LabelValues>(name: string, values: L, help: string): Definition<'counter', keyof L & string, L> {
  return { name, type: 'counter', help, labels: Object.keys(values), values };
}

function gauge<const L extends LabelValues>(name: string, values: L, help: string): Definition<'gauge', keyof L & string, L> {
  return { name, type: 'gauge', help, labels: Object.keys(values), values };
}

function histogram<const L extends LabelValues>(
  name: string,
  buckets: readonly number[],
  values: L,
  help: string,
): Definition<'histogram', keyof L & string, L> {
  return { name, type: 'histogram', help, labels: Object.keys(values), values, buckets };
}

/** Its observations may lead to traces. */
function withExemplars<D extends Definition>(definition: D): D {
  return { ...definition, exemplars: true };
}

export const COMMON_METRICS = {
  buildInfo: gauge('golddiff_build_info', { component: COMPONENTS, version: OPEN, node: OPEN }, 'Always 1; the labels say what runs.'),
  dataPlaneBytes: counter(
    'golddiff_data_plane_bytes_total',
    { direction: DIRECTIONS },
    'Bytes of tensors and partials moved between coordinators and workers, by direction (sent, received).',
  ),
  stepStreamBytes: counter(
    'golddiff_step_stream_bytes_total',
    { direction: DIRECTIONS },
    'Bytes of all messages of steps between coordinators and workers, requests, cuts and scalars included, as they are serialised, by direction (sent, received).',
  ),
  stepStreamMessages: counter(
    'golddiff_step_stream_messages_total',
    { direction: DIRECTIONS },
    'Messages of steps between coordinators and workers, by direction (sent, received).',
  ),
  fetchedBytes: counter(
    'golddiff_dataset_fetched_bytes_total',
    { source: SOURCES },
    'Bytes of data sets that arrived from elsewhere, by source (http, object_store).',
  ),
  fetchErrors: counter(
    'golddiff_dataset_fetch_errors_total',
    { source: SOURCES, reason: ['connection', 'stalled', 'status', 'missing', 'checksum', 'disk'] },
    'Tries to fetch a file that failed, by source and reason (connection, stalled, status, missing, checksum, disk).',
  ),
} as const;

export const COORDINATOR_METRICS = {
  requests: counter(
    'golddiff_coordinator_requests_total',
    { method: PUBLIC_METHODS, code: GRPC_CODES },
    'Public calls that ended, by method (Service/Method) and gRPC status code.',
  ),
  requestSeconds: withExemplars(
    histogram('golddiff_coordinator_request_duration_seconds', DURATION_BUCKETS_SECONDS, { method: PUBLIC_METHODS }, 'Wall time of public calls.'),
  ),
  phaseSeconds: withExemplars(
    histogram(
      'golddiff_coordinator_step_phase_duration_seconds',
      DURATION_BUCKETS_SECONDS,
      { phase: PHASES },
      'Wall time of the phases of the work: queue, scatter, screen, aggregate and merge of a step; sampler (own arithmetic of a sampler between two steps); serialise (one answer into the bytes of its message).',
    ),
  ),
  rowsScored: counter('golddiff_coordinator_rows_scored_total', {}, 'Rows in the sums, added up over queries.'),
  goldenRows: histogram(
    'golddiff_coordinator_golden_rows',
    ROW_BUCKETS,
    { t: NOISE_BANDS },
    'Rows in the golden subset of a query, by noise (t: timesteps of the DDPM linear schedule with the same ratio of noise to signal).',
  ),
  effectiveSupport: histogram(
    'golddiff_coordinator_effective_support_rows',
    ROW_BUCKETS,
    { t: NOISE_BANDS },
    'Effective support of a query, (sum w)^2 / sum w^2, by noise (t).',
  ),
  tailMassBound: histogram(
    'golddiff_coordinator_tail_mass_bound',
    MASS_BUCKETS,
    { kind: ['EXACT', 'CERTIFIED', 'HEURISTIC'], t: NOISE_BANDS },
    'Bound on the posterior mass of the rows left out of a query, by kind of bound (EXACT, CERTIFIED, HEURISTIC) and noise (t).',
  ),
  budgetQueries: counter(
    'golddiff_coordinator_tail_mass_budget_queries_total',
    { outcome: ['held', 'raised', 'exact'] },
    'Queries with an error budget (max_tail_mass), by what it took: held (the first golden subset), raised (a larger one), exact (all rows).',
  ),
  exactFallbacks: counter(
    'golddiff_coordinator_exact_fallbacks_total',
    { reason: ['budget', 'size'] },
    'Queries that asked for a golden subset and were answered over all rows, by reason: budget (no smaller subset held max_tail_mass), size (the subset asked for is all rows).',
  ),
  hedges: counter('golddiff_coordinator_hedges_total', {}, 'Questions that were put to a second replica while the first one was late.'),
  hedgeWins: counter('golddiff_coordinator_hedge_wins_total', {}, 'Hedges that answered before the first replica, which was cancelled.'),
  hedgesDenied: counter(
    'golddiff_coordinator_hedges_denied_total',
    { reason: ['budget', 'replicas'] },
    'Hedges that were due and not made, by reason: budget (no token left), replicas (nobody else holds the partitions).',
  ),
  hedgeTokens: gauge('golddiff_coordinator_hedge_tokens', {}, 'Hedges that the budget allows now.'),
  workerAnswerSeconds: histogram(
    'golddiff_coordinator_worker_answer_duration_seconds',
    DURATION_BUCKETS_SECONDS,
    { stage: ROUND_STAGES },
    'Time from a question of a step to the answer of one worker, by what was asked.',
  ),
  stragglerSeconds: histogram(
    'golddiff_coordinator_straggler_wait_seconds',
    DURATION_BUCKETS_SECONDS,
    { stage: ROUND_STAGES },
    'What the slowest worker of a round took longer than the typical one (the lower median), by what was asked; rounds of two workers and more.',
  ),
  slownessMax: gauge(
    'golddiff_coordinator_worker_slowness_max_ratio',
    {},
    'Time of the slowest live worker over that of the others of its rounds, a moving average; 1 = none is slow.',
  ),
  retries: counter(
    'golddiff_coordinator_retries_total',
    { reason: ['lost', 'tls', 'draining', 'stale', 'missing', 'supports', 'other'], scope: ['share', 'step'] },
    'Work of a failed worker that was done again elsewhere, by reason (lost, tls, draining, stale, missing, supports) and scope: share (its partitions, within the step) or step (all of it).',
  ),
  epochRefreshes: counter(
    'golddiff_coordinator_epoch_refreshes_total',
    {},
    'Steps that met a worker of a newer placement, and went on with that placement.',
  ),
  coverage: gauge('golddiff_coordinator_coverage_ratio', {}, 'Share of the rows of the served data sets that a live worker holds, 0 to 1.'),
  openSteps: gauge('golddiff_coordinator_open_steps', {}, 'Steps that run now.'),
  queueDepth: gauge('golddiff_coordinator_queue_depth', {}, 'Steps that wait for a place.'),
  openStepsMax: gauge('golddiff_coordinator_open_steps_max', {}, 'Steps that may run at once (--steps-max).'),
  queueDepthMax: gauge('golddiff_coordinator_queue_depth_max', {}, 'Steps that may wait for a place (--queue-max); beyond that RESOURCE_EXHAUSTED.'),
  queueLag: gauge('golddiff_coordinator_queue_lag_seconds', {}, 'How long the step at the head of the queue has waited; 0 = none waits.'),
  workersLive: gauge('golddiff_coordinator_workers_live', {}, 'Workers whose lease is live.'),
  leader: gauge('golddiff_coordinator_leader', {}, '1 on the coordinator that leads, which plans the placement, 0 on the others.'),
  leadsTaken: counter('golddiff_coordinator_leads_taken_total', {}, 'Times that this coordinator took the lead.'),
  placementEpoch: gauge('golddiff_coordinator_placement_epoch', {}, 'Epoch of the placement in effect, as this coordinator knows it; 0 = none yet.'),
  epochSkew: gauge(
    'golddiff_coordinator_epoch_skew',
    {},
    'Largest distance between the epoch in effect and the newest epoch of a live worker that it names; not 0 while partitions move.',
  ),
  partitions: gauge(
    'golddiff_coordinator_partitions',
    { replicas: ['0', '1', '2_or_more'] },
    'Partitions of the served data set by their live replicas: 0 (missing), 1 (without a second), 2_or_more.',
  ),
  partitionsShort: gauge('golddiff_coordinator_partitions_short', {}, 'Partitions with fewer live replicas than --replicas asks for.'),
  controlPlaneUp: gauge(
    'golddiff_coordinator_control_plane_up',
    {},
    '1 where the control plane told of its jobs for this scrape, else 0: the figures of jobs are then the last ones known.',
  ),
  jobs: gauge(
    'golddiff_coordinator_jobs',
    { state: ['queued', 'running', 'succeeded', 'failed', 'cancelled'] },
    'Jobs of the whole cluster whose records are kept, by state (queued, running, succeeded, failed, cancelled).',
  ),
  jobQueueLag: gauge('golddiff_coordinator_job_queue_lag_seconds', {}, 'Age of the oldest job that waits, of the whole cluster; 0 = none waits.'),
  jobDeadLetters: gauge(
    'golddiff_coordinator_job_dead_letters',
    {},
    'Jobs of the whole cluster that were given up after their last delivery and whose letter is kept.',
  ),
  jobDeliveries: counter(
    'golddiff_coordinator_job_deliveries_total',
    { kind: ['first', 'again'] },
    'Jobs that this coordinator took up, by kind: first, again (given back, or left by one that died).',
  ),
  jobRuns: counter(
    'golddiff_coordinator_job_runs_total',
    { outcome: ['succeeded', 'failed', 'given_back', 'lost'] },
    'Runs of jobs that ended on this coordinator, by outcome: succeeded, failed, given_back, lost (the lease was, or the job was cancelled).',
  ),
} as const;

export const WORKER_METRICS = {
  steps: counter('golddiff_worker_steps_total', { outcome: ['ok', 'failed', 'cancelled'] }, 'Steps that ended, by outcome (ok, failed, cancelled).'),
  backendInfo: gauge(
    'golddiff_worker_backend_info',
    { backend: ['native', 'cuda', 'tfjs', 'reference'], variant: OPEN, choice: ['asked', 'fastest', 'fallback'] },
    'Always 1; the labels say what computes: backend (native, cuda, tfjs, reference), variant (instruction set or TensorFlow.js package) and choice (asked, fastest, fallback).',
  ),
  computeSeconds: withExemplars(
    histogram(
      'golddiff_worker_compute_duration_seconds',
      DURATION_BUCKETS_SECONDS,
      { phase: ['screen', 'scalars', 'sums', 'groups', 'blocks'] },
      'Compute time of one request within a step, by phase (screen, scalars, sums, groups, blocks).',
    ),
  ),
  residentBytes: gauge('golddiff_worker_resident_bytes', {}, 'Bytes of rows held ready for scoring.'),
  deviceMemoryBytes: gauge('golddiff_worker_device_memory_budget_bytes', {}, 'Bytes of device memory that rows may take (--device-memory).'),
  openStepBytes: gauge('golddiff_worker_open_step_bytes', {}, 'Bytes of queries and partials of the steps that are open.'),
  openStepBytesMax: gauge('golddiff_worker_open_step_bytes_max', {}, 'Bytes that these may take; beyond that a step is refused.'),
  partitionsHeld: gauge('golddiff_worker_partitions_held', {}, 'Partitions that are loaded and served.'),
  partitionsFailed: gauge('golddiff_worker_partitions_failed', {}, 'Partitions assigned but not served, such as for a wrong checksum.'),
  rowsScored: counter(
    'golddiff_worker_rows_scored_total',
    { stage: ['presample', 'proxy', 'full', 'proof', 'sums'] },
    'Rows that steps had looked at, added up over queries, by stage: presample, proxy and full (rows among which the nearest were found), proof (rows that a proof of the pool speaks of), sums (rows in the sums).',
  ),
  placementEpoch: gauge('golddiff_worker_placement_epoch', {}, 'Newest placement epoch at which this worker holds partitions; 0 = none.'),
  partitionsLoading: gauge('golddiff_worker_partitions_loading', {}, 'Partitions that are being fetched or loaded, or wait for it.'),
  cacheRequests: counter(
    'golddiff_worker_data_cache_requests_total',
    { outcome: ['hit', 'miss', 'damaged'] },
    'Files asked of the data cache, by outcome: hit, miss (fetched), damaged (found by its checksum, thrown away and asked for again).',
  ),
  cacheBytes: gauge(
    'golddiff_worker_data_cache_bytes',
    {},
    'Bytes in the data cache of the machine, files being fetched counted whole, when this worker started or last fetched one.',
  ),
  cacheEvictions: counter('golddiff_worker_data_cache_evictions_total', {}, 'Files that this worker took out of the data cache to make room.'),
  openSteps: gauge('golddiff_worker_open_steps', {}, 'Steps that are open on the worker now.'),
  openStepsMax: gauge('golddiff_worker_open_steps_max', {}, 'Steps that may be open on the worker at once.'),
  proxySearches: counter(
    'golddiff_worker_proxy_searches_total',
    { method: ['scan', 'hnsw'], reason: ['asked', 'faster', 'slower', 'noisy', 'not_ready', 'labels', 'too_many', 'unsupported'] },
    'Queries whose candidates were found in one partition, by method (scan, hnsw) and reason (asked, faster, slower, noisy, not_ready, labels, too_many, unsupported).',
  ),
  indexRecall: histogram(
    'golddiff_worker_index_recall_ratio',
    RECALL_BUCKETS,
    {},
    'Share of the rows nearest by proxy that a search of an index found, for a sample of the queries, against the scan.',
  ),
  indexBuildSeconds: histogram(
    'golddiff_worker_index_build_duration_seconds',
    BUILD_BUCKETS_SECONDS,
    {},
    'Wall time of building the index of one partition in the background.',
  ),
  indexBytes: gauge('golddiff_worker_index_bytes', {}, 'Bytes of the indexes that are held, loaded or built.'),
  indexesReady: gauge('golddiff_worker_indexes_ready', {}, 'Indexes that take part in searches.'),
} as const;
