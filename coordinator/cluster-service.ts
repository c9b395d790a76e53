/** ClusterService: how the cluster is, and orders to empty a worker. */

import type { ClusterServiceHandlers } from '../proto/generated/golddiff/v1/ClusterService.js';
import type { ClusterStatus } from '../proto/generated/golddiff/v1/ClusterStatus.js';
import type { ControlPlane } from '../shared/control-plane/control-plane.js';
import { GolddiffError } from '../shared/errors.js';
import { unary } from '../shared/rpc/handlers.js';
import type { AdmissionQueue } from './admission-queue.js';
import type { ClusterState } from './cluster-state.js';
import { newestEpochOf } from './newest-epoch.js';

export interface ClusterServiceSettings {
  readonly cluster: ClusterState;
  readonly controlPlane: ControlPlane;
  readonly queue: Pick<AdmissionQueue, 'running' | 'waiting'>;
  /** name of this coordinator among those of the cluster */
  readonly coordinator: string;
  readonly replicas: number;
}

export function clusterService(settings: ClusterServiceSettings): ClusterServiceHandlers {
  const { cluster, controlPlane } = settings;
  return {
    Status: unary(() => describeCluster(settings)),
    Drain: unary(async ({ workerId, undo }) => {
      const known = cluster.workers.map((worker) => worker.workerId);
      if (!undo && !known.includes(workerId))
        throw new GolddiffError('NOT_FOUND', `Expected one of the workers ${known.join(', ') || '(none)'} for worker_id but received ${workerId}`);
      await controlPlane.membership.drain(workerId, !undo);
      return describeCluster(settings);
    }),
  };
}

/** Answers from what is known where the control plane does not: that is when one asks. */
export async function describeCluster({ cluster, controlPlane, queue, coordinator, replicas }: ClusterServiceSettings): Promise<ClusterStatus> {
  const { manifest } = cluster;
  const [leader, jobs] = await Promise.all([unlessLost(controlPlane.leadership.leader()), unlessLost(controlPlane.jobs.queue())]);
  const partitions = manifest.partitions.map(({ id, rows }) => ({ id, rows, replicas: cluster.replicasOf(id) }));
  return {
    controlPlane: controlPlane.kind,
    coordinator,
    leader: leader ?? '',
    dataSet: manifest.name,
    contentHash: manifest.contentHash,
    placementEpoch: cluster.placement()?.epoch ?? 0,
    replicasWanted: replicas,
    coverage: cluster.coverage().fraction,
    stepsRunning: queue.running,
    stepsWaiting: queue.waiting,
    workers: cluster.workers.map((worker) => {
      const { held, workerId, address, backend, deviceMemoryBytes, deviceMemoryUsedBytes, openSteps, draining } = worker;
      const here = held.filter((h) => h.dataSet === manifest.name);
      return {
        workerId,
        address,
        backend,
        deviceMemoryBytes,
        deviceMemoryUsedBytes,
        openSteps,
        draining,
        partitionsPlaced: partitions.filter((p) => p.replicas.includes(workerId)).length,
        partitionsHeld: here.filter((h) => h.failure === undefined).length,
        failures: here.flatMap((h) => (h.failure === undefined ? [] : [`partition ${h.partition}: ${h.failure}`])),
        epoch: newestEpochOf(worker, manifest.name),
      };
    }),
    partitions,
    jobs:
      jobs === undefined
        ? null
        : { ...jobs.byState, oldestQueuedUnixMs: jobs.oldestQueuedUnixMs ?? 0, redeliveries: jobs.redeliveries, deadLetters: jobs.deadLetters },
  };
}

async function unlessLost<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (thrown) {
    if (thrown instanceof GolddiffError && thrown.code === 'CONTROL_PLANE_LOST') return undefined;
    throw thrown;
  }
}
