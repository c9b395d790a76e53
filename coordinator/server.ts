/** A coordinator in this process: everything wired, from the list of workers to the public services. Stopped in reverse. */

import type { ServiceDefinition } from '@grpc/grpc-js';
import { createInProcessControlPlane } from '../shared/control-plane/in-process.js';
import { openControlPlane } from '../shared/control-plane/nats/flags.js';
import type { DataSet } from '../shared/dataset/data-set.js';
import { openData } from '../shared/dataset/open-data.js';
import { PUBLIC_MESSAGE_BYTES_MAX, PUBLIC_WINDOW_BYTES } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { createMetrics } from '../shared/metrics.js';
import { startMetricsEndpoint } from '../shared/metrics-endpoint.js';
import { LEAVING, LEFT } from '../shared/pre-stop.js';
import type { RunningService } from '../shared/process-lifecycle.js';
import { startGrpcServer } from '../shared/rpc/grpc-server.js';
import { protoPackage } from '../shared/rpc/proto-package.js';
import { openServerTls } from '../shared/rpc/tls-flags.js';
import { waitAtStart } from '../shared/start-wait.js';
import { startTracing } from '../shared/tracing.js';
import { AdmissionQueue } from './admission-queue.js';
import { timedService } from './answer-bytes.js';
import { clusterService } from './cluster-service.js';
import { ClusterState } from './cluster-state.js';
import type { CoordinatorConfig } from './config.js';
import { observeCluster, observeCall } from './coordinator-metrics.js';
import { datasetService } from './dataset-service.js';
import { Hedging } from './hedging.js';
import { PlacementController } from './placement-controller.js';
import { samplingService } from './sampling-service.js';
import { scoreService } from './score-service.js';
import { JobRunner } from './jobs/job-runner.js';
import { jobService } from './jobs/job-service.js';
import { LeaderRole } from './leader-role.js';
import { SuspectCheck } from './suspect-check.js';
import { DataSetStatistics } from './statistics/data-set-statistics.js';
import { StepRunner } from './step-runner.js';
import { StepScheduler } from './step-scheduler.js';
import { WorkerLinks } from './worker-links.js';
import { WorkerProber } from './worker-prober.js';

/**
 * Resolves when the first placement is in effect: over the whole data set, or over what could be loaded, the rest being in the log.
 * @throws NOT_FOUND, FILE_INVALID, DATA_UNAVAILABLE for the data set; ADDRESS_IN_USE
 */
export async function startCoordinator(config: CoordinatorConfig, log: Logger): Promise<RunningService> {
  const metrics = createMetrics('coordinator');
  const tlsFiles = openServerTls(config, config.listen, log);
  const workerTls = tlsFiles && { files: tlsFiles, ...(config.tlsServerName && { serverName: config.tlsServerName }) };
  const { otlpEndpoint, coordinatorId } = config;
  const tracing =
    otlpEndpoint === undefined ? undefined : await startTracing({ endpoint: otlpEndpoint, component: 'coordinator', instance: coordinatorId, log });
  const data = await waitAtStart(
    () =>
      openData([config.data], {
        ...config,
        log,
        onBytes: (source, bytes) => metrics.fetchedBytes.inc({ source }, bytes),
        onFailure: (source, reason) => metrics.fetchErrors.inc({ source, reason }),
      }),
    config,
    log,
  );
  const [dataSet] = data.dataSets as [DataSet];
  const { manifest } = dataSet;
  const controlPlane =
    config.nats === undefined
      ? createInProcessControlPlane()
      : await waitAtStart(() => openControlPlane({ ...config, nats: config.nats! }, log, true), config, log);
  const { membership, leadership } = controlPlane;
  const links = new WorkerLinks((direction, bytes) => {
    metrics.stepStreamBytes.inc({ direction }, bytes);
    metrics.stepStreamMessages.inc({ direction });
  }, workerTls);
  const onReach = (workerId: string, reached: boolean): void => {
    cluster.setReach(workerId, reached);
    if (!reached) links.lose(workerId, 'it does not answer');
  };
  const cluster: ClusterState = new ClusterState(controlPlane, manifest, (workerId) => watch.suspect(workerId));
  // A list of workers is asked from here; others send their heartbeats themselves.
  const watch =
    config.workers === undefined
      ? new SuspectCheck({ membership, workerOf: (id) => cluster.worker(id), onReach, log, tls: workerTls })
      : new WorkerProber({ addresses: config.workers, membership, log, tls: workerTls });
  const expectedWorkers = config.expectedWorkers ?? config.workers?.length ?? 1;
  const makeController = (): PlacementController =>
    new PlacementController({ manifest, controlPlane, links, replicas: config.replicas, expectedWorkers, log });
  const leader = new LeaderRole({ leadership, candidate: config.coordinatorId, makeController, log, onLead: () => metrics.leadsTaken.inc() });
  const queue = new AdmissionQueue({ runningMax: config.stepsMax, waitingMax: config.queueMax });
  const countBytes = (direction: 'sent' | 'received', bytes: number): void => metrics.dataPlaneBytes.inc({ direction }, bytes);
  const statistics = new DataSetStatistics({ dataSet, cluster, links, log, placementWaitMs: config.placementWaitMs });
  const hedging = new Hedging({ budgetPercent: config.hedgePercent, percentile: config.hedgePercentile, delayMsMin: config.hedgeDelayMs }, metrics);
  const runner = new StepRunner({ cluster, links, statistics, log, placementWaitMs: config.placementWaitMs, hedging, countBytes, metrics });
  const scheduler = new StepScheduler(runner, queue, metrics);
  const jobRunner = new JobRunner({ controlPlane, manifest, scheduler, log, tracing, metrics });
  const slownessMax = (): number => hedging.latency.slowest(performance.now());
  observeCluster(metrics, { cluster, queue, leader, jobs: controlPlane.jobs, replicas: config.replicas, slownessMax });

  const timed = <S extends ServiceDefinition>(service: S): S => timedService(service, (seconds) => scheduler.observe('serialise', seconds));

  let serving = false;
  let left: string | undefined;
  const server = await startGrpcServer({
    listen: config.listen,
    tls: tlsFiles,
    services: [
      { service: timed(protoPackage.ScoreService.service), implementation: scoreService(manifest, scheduler) },
      { service: timed(protoPackage.SamplingService.service), implementation: samplingService(manifest, scheduler) },
      { service: protoPackage.DatasetService.service, implementation: datasetService(cluster) },
      { service: protoPackage.JobService.service, implementation: jobService(controlPlane, manifest) },
      {
        service: protoPackage.ClusterService.service,
        implementation: clusterService({ cluster, controlPlane, queue, coordinator: config.coordinatorId, replicas: config.replicas }),
      },
    ],
    log,
    messageBytesMax: PUBLIC_MESSAGE_BYTES_MAX,
    windowBytes: PUBLIC_WINDOW_BYTES,
    onCallEnd: (call) => observeCall(metrics, call),
    tracing,
  });
  server.setServing(false);
  const endpoint = await startMetricsEndpoint({
    listen: config.metricsListen,
    registry: metrics.registry,
    exemplars: tracing !== undefined,
    healthy: () => serving,
    why: () => left ?? 'not serving',
  }).catch((error: unknown) => {
    server.forceStop();
    throw error;
  });

  // Steps that wait for a worker whose lease has ended wait for nobody.
  const unwatch = membership.watch((workers) => {
    const live = new Set(workers.map(({ workerId }) => workerId));
    links.keepOnly(live);
    hedging.latency.keepOnly(live);
  });
  await cluster.start();
  leader.start();
  if (watch instanceof WorkerProber) watch.start();
  await Promise.race([leader.settled, cluster.settled()]);
  server.setServing((serving = true));
  jobRunner.start();
  const coverage = cluster.coverage();
  if (coverage.fraction < 1)
    log.error({ missing: coverage.missingPartitions, coverage: coverage.fraction }, 'ready, but a part of the data set is not served');

  return {
    ready: { address: server.address, metricsAddress: endpoint?.address },
    leave: async () => {
      left = LEAVING;
      server.setServing((serving = false));
      // The job under way goes on elsewhere, from its checkpoint.
      await Promise.all([jobRunner.stop(), new Promise((resolve) => setTimeout(resolve, config.leaveNoticeMs))]);
      left = LEFT;
    },
    stop: async () => {
      serving = false;
      await jobRunner.stop();
      await server.drain(config.drainTimeoutMs);
      await leader.stop();
      watch.stop();
      unwatch();
      cluster.stop();
      links.close();
      await statistics.close();
      await endpoint?.close();
      await controlPlane.close();
      await data.close();
      await tracing?.close();
    },
  };
}
