/** ShardService: what a worker is, what it should hold, sums over what it holds, and the stream of steps. */

import { randomUUID } from 'node:crypto';
import type { DescribeResponse } from '../proto/generated/golddiff/v1/DescribeResponse.js';
import type { HeldPartition } from '../proto/generated/golddiff/v1/HeldPartition.js';
import type { ShardServiceHandlers } from '../proto/generated/golddiff/v1/ShardService.js';
import { argumentError } from '../shared/errors.js';
import { PARTITIONS_MAX, WORKER_STEP_STATE_BYTES_MAX, WORKER_STEPS_MAX } from '../shared/limits.js';
import type { WorkerMetrics } from '../shared/metrics.js';
import { mergeMoments, type MomentSums } from '../shared/math/moment-sums.js';
import { bidi, serverStream, unary } from '../shared/rpc/handlers.js';
import type { Tracing } from '../shared/tracing.js';
import type { Backend } from './backends/backend.js';
import type { CandidateSearch } from './candidates/candidate-search.js';
import { momentsParts } from './grouped-replies.js';
import { mergeAsTheyCome } from './merge-as-they-come.js';
import type { HeldState, PartitionStore } from './partition-store.js';
import { StepAdmission } from './step-admission.js';
import { StepStream } from './step-stream.js';
import { SupportStore } from './support-store.js';

export interface ShardServiceSettings {
  readonly workerId: string;
  readonly store: PartitionStore;
  readonly backend: Backend;
  /** absent = proxies are always scanned */
  readonly candidates?: CandidateSearch;
  readonly deviceMemoryBytes: number;
  readonly metrics: WorkerMetrics;
  /** absent = nothing is traced */
  readonly tracing?: Tracing | undefined;
  readonly stepsMax?: number;
  /** default: one of its own for stepsMax */
  readonly admission?: StepAdmission;
  /** new at every start of the process; default: made here */
  readonly instanceId?: string;
  /** default: an empty one of the usual size */
  readonly supports?: SupportStore;
}

export function createShardService(settings: ShardServiceSettings): ShardServiceHandlers {
  const { workerId, store, backend, candidates, deviceMemoryBytes, metrics, tracing } = settings;
  const supports = settings.supports ?? new SupportStore();
  const instanceId = settings.instanceId ?? randomUUID();
  const admission = settings.admission ?? new StepAdmission(settings.stepsMax ?? WORKER_STEPS_MAX, WORKER_STEP_STATE_BYTES_MAX);
  const describe = (draining: boolean): DescribeResponse => ({
    workerId,
    instanceId,
    backend: backend.name,
    computeThreads: backend.computeThreads,
    deviceMemoryBytes: Math.min(deviceMemoryBytes, Number.MAX_SAFE_INTEGER),
    deviceMemoryUsedBytes: backend.residentBytes,
    openSteps: admission.openSteps,
    draining,
    held: store.held().map(heldMessage),
    dataSets: store.dataSets.map(({ manifest }) => ({ name: manifest.name, contentHash: manifest.contentHash })),
  });
  return {
    Describe: unary((_request, context) => Promise.resolve(describe(context.draining.aborted))),
    Assign: unary(async (request) => {
      if (request.partitions.length > PARTITIONS_MAX) {
        throw argumentError('partitions', `at most ${PARTITIONS_MAX} partitions`, `${request.partitions.length} partitions`);
      }
      const held = await store.assign({ ...request, partitions: [...new Set(request.partitions)].sort((a, b) => a - b) });
      return { held: held.map(heldMessage) };
    }),
    HoldSupports: unary(({ sha256, data }) => {
      supports.hold(sha256, data);
      return Promise.resolve({});
    }),
    Moments: serverStream(async ({ dataSet, epoch, partitions, label }, context, write) => {
      const { present } = store.dataSet(dataSet);
      store.checkHeld(dataSet, epoch, partitions);
      if (partitions.length === 0 || partitions.some((id, i) => i > 0 && id <= partitions[i - 1]!))
        throw argumentError('partitions', 'at least one partition, ascending', partitions);
      const moments = (partition: number): Promise<MomentSums> => {
        context.signal.throwIfAborted();
        return backend.moments({ dataSet, partition }, label);
      };
      for await (const { node, value } of mergeAsTheyCome(partitions, present, backend.computeThreads, moments, mergeMoments))
        for (const part of momentsParts(node, value)) await write(part);
    }),
    Steps: bidi(async (requests, context, write) => {
      await new StepStream({
        store,
        backend,
        candidates,
        supports,
        admission,
        metrics,
        tracing,
        log: context.log,
        write,
        draining: context.draining,
      }).serve(requests);
    }),
  };
}

function heldMessage(state: HeldState): HeldPartition {
  return { ...state, failure: state.failure ?? '' };
}
