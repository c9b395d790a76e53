/** The shard worker process: reads its flags, wires the parts, serves until it is told to stop. */

import { randomUUID } from 'node:crypto';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { Command } from 'commander';
import { bytes, commonFlags, flag, hostPort, integer, oneOf, runCommandLine, text } from '../shared/config.js';
import type { WorkerStatus } from '../shared/control-plane/control-plane.js';
import { natsFlags, openControlPlane, type NatsFlags } from '../shared/control-plane/nats/flags.js';
import { dataFetchFlags, type DataFetchFlags } from '../shared/dataset/data-flags.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { dataLocation, LOCATION_FORMS, type DataLocation } from '../shared/dataset/sources/data-location.js';
import {
  DATA_PLANE_WINDOW_BYTES,
  DEVICE_MEMORY_SHARE,
  DRAIN_TIMEOUT_MS,
  INTERNAL_MESSAGE_BYTES_MAX,
  WORKER_STEP_STATE_BYTES_MAX,
  WORKER_STEPS_MAX,
} from '../shared/limits.js';
import type { LogLevel, Logger } from '../shared/log.js';
import { startMetricsEndpoint } from '../shared/metrics-endpoint.js';
import { createMetrics } from '../shared/metrics.js';
import { LEAVING, LEFT } from '../shared/pre-stop.js';
import { runService, type RunningService } from '../shared/process-lifecycle.js';
import { countedService, type MessageCounter } from '../shared/rpc/counted-messages.js';
import { startGrpcServer } from '../shared/rpc/grpc-server.js';
import { protoPackage } from '../shared/rpc/proto-package.js';
import { openServerTls, tlsFlags, type TlsFlags } from '../shared/rpc/tls-flags.js';
import { startWaitFlag, waitAtStart, type StartWaitFlags } from '../shared/start-wait.js';
import { startTracing } from '../shared/tracing.js';
import { BACKEND_WISHES, type BackendWish } from './backends/choose-backend.js';
import { createBackend } from './backends/create-backend.js';
import { CARD_ROWS_SHARE } from './backends/cuda/cuda-backend.js';
import type { PartitionSize } from './backends/resident-partitions.js';
import { ISA_WISHES, type IsaWish } from './backends/native/choose-isa.js';
import { CandidateIndexes } from './candidates/candidate-indexes.js';
import { CandidateSearch } from './candidates/candidate-search.js';
import { LoadProgress } from './load-progress.js';
import { PartitionStore } from './partition-store.js';
import { Registration } from './registration.js';
import { createShardService } from './shard-service.js';
import { StepAdmission } from './step-admission.js';
import { openWorkerData } from './worker-data.js';

interface WorkerFlags extends NatsFlags, DataFetchFlags, StartWaitFlags, TlsFlags {
  readonly advertise?: string;
  readonly data: DataLocation[];
  readonly listen: string;
  readonly workerId: string;
  readonly backend: BackendWish;
  readonly isa: IsaWish;
  readonly tfjsFrom?: string;
  readonly computeThreads: number;
  readonly deviceMemory?: number;
  readonly metricsListen: string;
  readonly otlpEndpoint?: string;
  readonly logLevel: LogLevel;
  readonly drainTimeoutMs: number;
}

const COMPUTE_THREADS_MAX = 256;

async function start(flags: WorkerFlags, log: Logger): Promise<RunningService> {
  const metrics = createMetrics('shard-worker');
  const tls = openServerTls(flags, flags.listen, log);
  const { otlpEndpoint, workerId } = flags;
  const tracing =
    otlpEndpoint === undefined ? undefined : await startTracing({ endpoint: otlpEndpoint, component: 'shard-worker', instance: workerId, log });
  let tellHealth = (): void => {};
  const progress = new LoadProgress({
    log,
    onChange: (state) => {
      metrics.partitionsLoading.set(state === undefined ? 0 : state.partitions - state.partitionsDone);
      tellHealth();
    },
  });
  const data = await waitAtStart(() => openWorkerData(flags, metrics, progress, log), flags, log);
  const { dataSets } = data;
  const names = dataSets.map(({ manifest }) => manifest.name);
  const hostMemoryBytes = flags.deviceMemory ?? Math.floor(memoryBytes() * DEVICE_MEMORY_SHARE);
  const { backend, choice, variant, deviceMemoryBytes } = await createBackend({
    wish: flags.backend,
    isa: flags.isa,
    computeThreads: flags.computeThreads,
    hostMemoryBytes,
    cardMemoryBytes: flags.deviceMemory ?? Infinity,
    largest: dataSets.map(({ manifest }) => largestPartition(manifest)),
    tfjsFrom: flags.tfjsFrom,
    log,
  });
  metrics.backendInfo.set({ backend: choice.name, variant, choice: choice.kind }, 1);
  const indexes = new CandidateIndexes({
    threads: flags.computeThreads,
    memoryBytes: () => hostMemoryBytes - backend.residentBytes,
    log,
    onBuilt: (seconds) => metrics.indexBuildSeconds.observe(seconds),
    onChange: (ready, heldBytes) => {
      metrics.indexesReady.set(ready);
      metrics.indexBytes.set(heldBytes);
    },
  });
  const candidates = new CandidateSearch({
    indexes,
    backend,
    log,
    onSearch: (method, reason, queries) => metrics.proxySearches.inc({ method, reason }, queries),
    onRecall: (recall) => metrics.indexRecall.observe(recall),
  });
  const instanceId = randomUUID();
  const admission = new StepAdmission(WORKER_STEPS_MAX, WORKER_STEP_STATE_BYTES_MAX);
  metrics.openStepsMax.set(admission.stepsMax);
  metrics.openStepBytesMax.set(admission.queryBytesMax);
  metrics.deviceMemoryBytes.set(deviceMemoryBytes);
  const { nats } = flags;
  const controlPlane = nats === undefined ? undefined : await waitAtStart(() => openControlPlane({ ...flags, nats }, log, false), flags, log);
  let registration: Registration | undefined;
  const store = new PartitionStore({
    dataSets,
    backend,
    indexes,
    deviceMemoryBytes,
    log,
    fetchesMax: flags.dataFetches,
    progress,
    onChange: (held) => {
      metrics.partitionsHeld.set(held.filter((state) => state.failure === undefined).length);
      metrics.partitionsFailed.set(held.filter((state) => state.failure !== undefined).length);
      metrics.residentBytes.set(backend.residentBytes);
      metrics.placementEpoch.set(held.reduce((newest, { epoch }) => Math.max(newest, epoch), 0));
      void registration?.changed();
    },
  });
  let serving = true;
  let left: string | undefined;
  // One that was given partitions is not ready before it holds the first of them, and says how far it is.
  const isLoading = (): boolean => progress.state !== undefined && store.isEmpty;
  const endpoint = await startMetricsEndpoint({
    listen: flags.metricsListen,
    registry: metrics.registry,
    exemplars: tracing !== undefined,
    healthy: () => serving && !isLoading(),
    why: () => left ?? (serving ? progress.sentence : 'not serving'),
  });
  try {
    const implementation = createShardService({
      workerId: flags.workerId,
      instanceId,
      admission,
      store,
      backend,
      candidates,
      deviceMemoryBytes,
      metrics,
      tracing,
    });
    const countMessage: MessageCounter = (direction, bytes) => {
      metrics.stepStreamBytes.inc({ direction }, bytes);
      metrics.stepStreamMessages.inc({ direction });
    };
    const services = [{ service: countedService(protoPackage.ShardService.service, 'Steps', 'server', countMessage), implementation }];
    const server = await startGrpcServer({
      listen: flags.listen,
      tls,
      services,
      log,
      messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX,
      windowBytes: DATA_PLANE_WINDOW_BYTES,
    });
    tellHealth = () => server.setServing(serving && !isLoading());
    if (controlPlane !== undefined) {
      const status = (): WorkerStatus => ({
        workerId: flags.workerId,
        instanceId,
        address: flags.advertise ?? reachable(server.address),
        backend: backend.name,
        deviceMemoryBytes: Math.min(deviceMemoryBytes, Number.MAX_SAFE_INTEGER),
        deviceMemoryUsedBytes: backend.residentBytes,
        openSteps: admission.openSteps,
        draining: false,
        held: store.held().map(({ dataSet, partition, sha256, epoch, failure }) => ({
          dataSet,
          partition,
          sha256,
          epoch,
          ...(failure === undefined ? {} : { failure }),
        })),
      });
      registration = new Registration({ controlPlane, status, dataSets: names, log });
      await registration.start();
    }
    return {
      ready: { address: server.address, metricsAddress: endpoint?.address },
      leave: async () => {
        left = LEAVING;
        serving = false;
        tellHealth();
        const moved = (await registration?.drain(flags.drainTimeoutMs)) ?? true;
        if (!moved) log.warn('partitions are still placed on this worker');
        left = LEFT;
      },
      stop: async () => {
        serving = false;
        if (registration !== undefined && !(await registration.drain(flags.drainTimeoutMs)))
          log.warn('this worker goes while partitions are placed on it');
        const closed = store.close();
        await server.drain(flags.drainTimeoutMs);
        await closed;
        await registration?.leave();
        await controlPlane?.close();
        await endpoint?.close();
        await indexes.close();
        await backend.close();
        await data.close();
        await tracing?.close();
      },
    };
  } catch (thrown) {
    await controlPlane?.close();
    await endpoint?.close();
    await indexes.close();
    await backend.close();
    await data.close();
    throw thrown;
  }
}

/** What listens on every address is reached by the name of its machine. */
function reachable(address: string): string {
  return address.replace(/^(0\.0\.0\.0|\[::\]):/, `${hostname()}:`);
}

function largestPartition({ shape, dtype, partitions }: Manifest): PartitionSize {
  return { rows: Math.max(0, ...partitions.map(({ rows }) => rows)), shape, eightBit: dtype === 'u8' };
}

/** Memory that this process may use: the machine's, or less where a control group says so. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit !== undefined && limit > 0 && limit < totalmem() ? limit : totalmem();
}

/** Several --data flags, and commas within one. */
function dataLocations(value: string, before: DataLocation[] | undefined): DataLocation[] {
  const locations = value.split(',').map((location) => dataLocation(location, '--data (or GOLDDIFF_DATA)'));
  return [...(before ?? []), ...locations];
}

const program = new Command('shard-worker')
  .description('holds partitions of data sets and scores queries against them')
  .addOption(
    flag<string>({
      name: 'data',
      placeholder: 'WHERE',
      description: `a data set: ${LOCATION_FORMS}; repeat it or list several with commas`,
      mandatory: true,
    }).argParser(dataLocations),
  )
  .addOption(commonFlags.listen('127.0.0.1:50061'))
  .addOption(flag({ name: 'worker-id', placeholder: 'ID', description: 'name of this worker in the cluster', parser: text, fallback: hostname() }))
  .addOption(
    flag({
      name: 'backend',
      placeholder: 'NAME',
      description: `one of ${BACKEND_WISHES.join(', ')}`,
      parser: oneOf(BACKEND_WISHES),
      fallback: 'auto',
    }),
  )
  .addOption(
    flag({
      name: 'isa',
      placeholder: 'NAME',
      description: `instruction set of the native backend, one of ${ISA_WISHES.join(', ')}; auto takes the best of this machine`,
      parser: oneOf(ISA_WISHES),
      fallback: 'auto',
    }),
  )
  .addOption(
    flag({
      name: 'tfjs-from',
      placeholder: 'DIR',
      description: 'folder where TensorFlow.js is installed, for the tfjs backend (default: that of golddiff)',
      parser: text,
    }),
  )
  .addOption(
    flag({
      name: 'compute-threads',
      placeholder: 'N',
      description: 'threads that compute',
      parser: integer(1, COMPUTE_THREADS_MAX),
      fallback: String(Math.min(COMPUTE_THREADS_MAX, availableParallelism())),
    }),
  )
  .addOption(
    flag({
      name: 'device-memory',
      placeholder: 'BYTES',
      description: `budget for resident rows, such as 8Gi (default: ${100 * DEVICE_MEMORY_SHARE}% of the memory of this machine; with cuda at most ${100 * CARD_ROWS_SHARE}% of the device's)`,
      parser: bytes,
    }),
  )
  .addOption(
    flag({
      name: 'advertise',
      placeholder: 'HOST:PORT',
      description: 'with --nats: address that coordinators reach this worker at (default: that of --listen, or the name of the machine)',
      parser: hostPort,
    }),
  )
  .addOption(
    flag({
      name: 'drain-timeout-ms',
      placeholder: 'INT',
      description: 'when told to stop: time for the partitions to move to others (with --nats), and again for the steps under way',
      parser: integer(0, 3_600_000),
      fallback: String(DRAIN_TIMEOUT_MS),
    }),
  )
  .addOption(commonFlags.metricsListen('off'))
  .addOption(commonFlags.otlpEndpoint())
  .addOption(commonFlags.logLevel())
  .action(async (flags: WorkerFlags) => {
    await runService((log) => start(flags, log), { component: 'shard-worker', logLevel: flags.logLevel });
  });

for (const option of [...tlsFlags(), ...natsFlags(), ...dataFetchFlags(), startWaitFlag()]) program.addOption(option);

const status = await runCommandLine(program, process.argv.slice(2));
if (status !== 0) process.exit(status);
