/** What a compute thread does: holds partitions and the state of steps on them, and works off its requests one after another. */

import type { MessagePort, TransferListItem } from 'node:worker_threads';
import { asGolddiffError, GolddiffError, invariant } from '../../../shared/errors.js';
import type { CandidateLists, PartitionRows, StepQueries } from '../backend.js';
import type { DeviceState, FromThread, StepOperation, StepResult, ThreadSettings, ToThread } from './compute-messages.js';
import { partitionMoments } from './partition-moments.js';
import { PartitionStep } from './partition-step.js';
import { StepMemory } from './step-memory.js';
import type { ThreadPartition } from './step-partition.js';

interface OpenStep {
  readonly queries: StepQueries;
  readonly cancelled: Int32Array;
  readonly partitions: Map<string, PartitionStep>;
  /** by partition, where they came before its first request */
  readonly candidates: Map<string, CandidateLists>;
}

export interface ComputeLoop {
  readonly settings: ThreadSettings;
  /** may throw where the device has no room */
  readonly makePartition: (rows: PartitionRows) => ThreadPartition;
  /** of a thread that owns one */
  readonly device?: () => DeviceState;
}

/** Answers what comes on the port from now on. */
export function serveCompute(port: MessagePort, { settings, makePartition, device }: ComputeLoop): void {
  const memory = new StepMemory(settings.stepStateBytesMax, settings.stepMemory);
  const partitions = new Map<string, ThreadPartition>();
  const steps = new Map<number, OpenStep>();

  function send(message: FromThread, transfer: TransferListItem[] = []): void {
    port.postMessage(message, transfer);
  }

  function compute(step: number, key: string, operation: StepOperation): StepResult {
    const open = steps.get(step);
    if (!open) throw new GolddiffError('CANCELLED', 'The step was closed');
    const partition = partitions.get(key);
    if (!partition) throw new GolddiffError('PARTITION_MISSING', `Partition ${key} is not held any more`);
    const checkpoint = (): void => {
      if (Atomics.load(open.cancelled, 0) !== 0) throw new GolddiffError('CANCELLED', 'The step was closed');
    };
    checkpoint();
    let state = open.partitions.get(key);
    if (!state) {
      state = new PartitionStep(partition, open.queries, memory, checkpoint, open.candidates.get(key));
      open.partitions.set(key, state);
    }
    const before = partition.proxyBytes;
    try {
      if (operation.kind === 'screen') return state.screen(operation.stage, operation.cuts, operation.ranks);
      if (operation.kind === 'scalars') return state.scalars(operation.cuts);
      if (operation.kind === 'groups') return state.groups(operation.cuts);
      return state.sums(operation.cuts, operation.global, operation.negligibleShare, operation.histogram);
    } finally {
      if (partition.proxyBytes !== before) send({ kind: 'proxies', key, bytes: partition.proxyBytes });
    }
  }

  /** Goes on for as long as nothing else waits, and lets in between what does. */
  function computeMoments(task: number, key: string, label: number): void {
    const held = partitions.get(key);
    if (!held) return fail(task, new GolddiffError('PARTITION_MISSING', `Partition ${key} is not held any more`));
    const work = partitionMoments({ rows: held.rows, rowValues: held.rowValues, values: held.values, labels: held.labels }, label);
    const go = (): void => {
      if (partitions.get(key) !== held) return fail(task, new GolddiffError('PARTITION_MISSING', `Partition ${key} is not held any more`));
      const { done, value } = work.next();
      if (done === true) send({ kind: 'result', task, result: value }, buffersOf(value));
      else setImmediate(go);
    };
    go();
  }

  function load(task: number, key: string, rows: PartitionRows): void {
    try {
      partitions.set(key, makePartition(rows));
      send({ kind: 'result', task, result: null });
    } catch (thrown) {
      fail(task, thrown);
    }
  }

  function fail(task: number, thrown: unknown): void {
    const { code, message, data } = asGolddiffError(thrown);
    send({ kind: 'failure', task, failure: { code, message, data } });
  }

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'load':
        load(message.task, message.key, message.partition);
        break;
      case 'unload':
        partitions.get(message.key)?.dispose();
        partitions.delete(message.key);
        for (const step of steps.values()) {
          step.partitions.get(message.key)?.free();
          step.partitions.delete(message.key);
        }
        break;
      case 'open':
        steps.set(message.step, { queries: message.queries, cancelled: message.cancelled, partitions: new Map(), candidates: new Map() });
        break;
      case 'restrict':
        steps.get(message.step)?.candidates.set(message.key, message.candidates);
        break;
      case 'close':
        for (const partition of steps.get(message.step)?.partitions.values() ?? []) partition.free();
        steps.delete(message.step);
        break;
      case 'task':
        try {
          const result = compute(message.step, message.key, message.operation);
          send({ kind: 'result', task: message.task, result }, [...new Set(buffersOf(result))]);
        } catch (thrown) {
          fail(message.task, thrown);
        }
        break;
      case 'moments':
        computeMoments(message.task, message.key, message.label);
        break;
      case 'device':
        invariant(device !== undefined, 'a device is asked of its own thread');
        send({ kind: 'result', task: message.task, result: device() });
        break;
    }
  });
}

/** Buffers of an answer, which nothing here uses any more. */
function buffersOf(value: object): ArrayBuffer[] {
  return Object.values(value).flatMap((field: unknown) => {
    if (ArrayBuffer.isView(field)) return field.buffer instanceof ArrayBuffer ? [field.buffer] : [];
    return typeof field === 'object' && field !== null ? buffersOf(field) : [];
  });
}
