/** Gauges of the coordinator that are read at every scrape, and the counters of its calls. */

import { status as GrpcStatus } from '@grpc/grpc-js';
import type { CoordinatorMetrics } from '../shared/metrics.js';
import type { AdmissionQueue } from './admission-queue.js';
import type { ClusterState } from './cluster-state.js';

/** Time between two readings of the gauges: scrapes come every few seconds. */
const READ_INTERVAL_MS = 1_000;

export function observeCluster(metrics: CoordinatorMetrics, cluster: Pick<ClusterState, 'coverage' | 'workers'>, queue: AdmissionQueue): () => void {
  const read = (): void => {
    metrics.coverage.set(cluster.coverage().fraction);
    metrics.workersLive.set(cluster.workers.length);
    metrics.openSteps.set(queue.running);
    metrics.queueDepth.set(queue.waiting);
  };
  read();
  const timer = setInterval(read, READ_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

export function observeCall(metrics: CoordinatorMetrics, call: { readonly method: string; readonly code: GrpcStatus; readonly seconds: number }): void {
  metrics.requests.inc({ method: call.method, code: GrpcStatus[call.code] });
  metrics.requestSeconds.observe({ method: call.method }, call.seconds);
}
