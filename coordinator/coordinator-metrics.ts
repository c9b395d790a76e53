/** Gauges of the coordinator, read at every scrape, and the counters of its calls. */

import { status as GrpcStatus } from '@grpc/grpc-js';
import type { Gauge } from 'prom-client';
import type { JobQueue, Jobs } from '../shared/control-plane/control-plane.js';
import { METRICS_CONTROL_PLANE_WAIT_MS } from '../shared/limits.js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import { observeTraced } from '../shared/metrics-text.js';
import type { EndedCall } from '../shared/rpc/grpc-server.js';
import type { AdmissionQueue } from './admission-queue.js';
import type { ClusterState } from './cluster-state.js';
import { newestEpochOf } from './newest-epoch.js';

export interface ObservedCluster {
  readonly cluster: Pick<ClusterState, 'coverage' | 'workers' | 'placement' | 'replicasOf' | 'manifest'>;
  readonly queue: Pick<AdmissionQueue, 'running' | 'waiting' | 'longestWaitMs' | 'limits'>;
  /** of the slowest live worker; 1 = none is slow */
  readonly slownessMax: () => number;
  readonly leader: { readonly leads: boolean };
  readonly jobs: Pick<Jobs, 'queue'>;
  /** replicas wanted for each partition */
  readonly replicas: number;
}

export function observeCluster(metrics: CoordinatorMetrics, observed: ObservedCluster): void {
  const { cluster, queue, leader, jobs, replicas } = observed;
  readAtScrape(metrics.coverage, () => cluster.coverage().fraction);
  readAtScrape(metrics.workersLive, () => cluster.workers.length);
  readAtScrape(metrics.openSteps, () => queue.running);
  readAtScrape(metrics.queueDepth, () => queue.waiting);
  readAtScrape(metrics.queueLag, () => queue.longestWaitMs / 1000);
  metrics.openStepsMax.set(queue.limits.runningMax);
  metrics.queueDepthMax.set(queue.limits.waitingMax);
  readAtScrape(metrics.slownessMax, observed.slownessMax);
  readAtScrape(metrics.leader, () => Number(leader.leads));
  readAtScrape(metrics.placementEpoch, () => cluster.placement()?.epoch ?? 0);
  readAtScrape(metrics.epochSkew, () => epochSkew(cluster));
  const live = (): number[] => cluster.manifest.partitions.map(({ id }) => cluster.replicasOf(id).length);
  readAtScrape(metrics.partitionsShort, () => live().filter((count) => count < replicas).length);
  onScrape(metrics.partitions, () => {
    const counts = live();
    metrics.partitions.set({ replicas: '0' }, counts.filter((count) => count === 0).length);
    metrics.partitions.set({ replicas: '1' }, counts.filter((count) => count === 1).length);
    metrics.partitions.set({ replicas: '2_or_more' }, counts.filter((count) => count > 1).length);
  });
  observeJobs(metrics, jobs);
}

/** One look at the control plane for all figures of a scrape. Where it does not answer the scrape goes on without it, and says so. */
function observeJobs(metrics: CoordinatorMetrics, jobs: Pick<Jobs, 'queue'>): void {
  let look: Promise<JobQueue | undefined> | undefined;
  const lookOnce = (): Promise<JobQueue | undefined> =>
    (look ??= within(METRICS_CONTROL_PLANE_WAIT_MS, jobs.queue()).finally(() => {
      look = undefined;
    }));
  onScrape(metrics.controlPlaneUp, async () => metrics.controlPlaneUp.set(Number((await lookOnce()) !== undefined)));
  onScrape(metrics.jobs, async () => {
    for (const [state, count] of Object.entries((await lookOnce())?.byState ?? {})) metrics.jobs.set({ state }, count);
  });
  onScrape(metrics.jobDeadLetters, async () => {
    const found = await lookOnce();
    if (found !== undefined) metrics.jobDeadLetters.set(found.deadLetters);
  });
  onScrape(metrics.jobQueueLag, async () => {
    const found = await lookOnce();
    // Of two machines' clocks: never below zero.
    if (found !== undefined) metrics.jobQueueLag.set(Math.max(0, Date.now() - (found.oldestQueuedUnixMs ?? Date.now())) / 1000);
  });
}

/** Undefined where it takes longer, or fails. */
async function within<T>(ms: number, answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => (timer = setTimeout(() => resolve(undefined), ms)));
  try {
    return await Promise.race([answer, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function epochSkew(cluster: ObservedCluster['cluster']): number {
  const document = cluster.placement();
  if (document === undefined) return 0;
  const named = new Set(document.partitions.flatMap(({ replicas }) => replicas));
  const epochs = cluster.workers.filter(({ workerId }) => named.has(workerId)).map((worker) => newestEpochOf(worker, document.dataSet));
  return epochs.reduce((widest, epoch) => Math.max(widest, Math.abs(document.epoch - epoch)), 0);
}

export function observeCall(metrics: CoordinatorMetrics, call: EndedCall): void {
  metrics.requests.inc({ method: call.method, code: GrpcStatus[call.code] });
  observeTraced(metrics.requestSeconds, { method: call.method }, call.seconds, call.span);
}

function readAtScrape(gauge: Gauge, read: () => number): void {
  onScrape(gauge, () => gauge.set(read()));
}

/** prom-client calls `collect` of a metric before it reads it, and waits for it; its constructor is the only typed place to give one. */
function onScrape<Label extends string>(gauge: Gauge<Label>, collect: () => void | Promise<void>): void {
  Object.assign(gauge, { collect });
}
