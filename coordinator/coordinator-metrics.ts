/** Gauges of the coordinator, read at every scrape, and the counters of its calls. */

import { status as GrpcStatus } from '@grpc/grpc-js';
import type { Gauge } from 'prom-client';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import type { AdmissionQueue } from './admission-queue.js';
import type { ClusterState } from './cluster-state.js';

export function observeCluster(metrics: CoordinatorMetrics, cluster: Pick<ClusterState, 'coverage' | 'workers'>, queue: AdmissionQueue): void {
  readAtScrape(metrics.coverage, () => cluster.coverage().fraction);
  readAtScrape(metrics.workersLive, () => cluster.workers.length);
  readAtScrape(metrics.openSteps, () => queue.running);
  readAtScrape(metrics.queueDepth, () => queue.waiting);
}

export function observeCall(
  metrics: CoordinatorMetrics,
  call: { readonly method: string; readonly code: GrpcStatus; readonly seconds: number },
): void {
  metrics.requests.inc({ method: call.method, code: GrpcStatus[call.code] });
  metrics.requestSeconds.observe({ method: call.method }, call.seconds);
}

/** prom-client calls `collect` of a metric before it reads it; its constructor is the only typed place to give one. */
function readAtScrape(gauge: Gauge, read: () => number): void {
  Object.assign(gauge, { collect: () => gauge.set(read()) });
}
