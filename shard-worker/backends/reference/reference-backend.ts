/**
 * The reference backend: float64 in TypeScript, the definition of right. A partition belongs to one compute thread, which holds its proxies and the
 * state of every step on it; rows and queries lie in shared memory, so that only requests and answers move.
 */

import { Worker } from 'node:worker_threads';
import { asGolddiffError, GolddiffError, invariant } from '../../../shared/errors.js';
import { WORKER_STEP_STATE_BYTES_MAX } from '../../../shared/limits.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';
import type {
  Backend,
  BackendStep,
  CandidateLists,
  GlobalScalars,
  PartitionRef,
  PartitionRows,
  PartitionScreen,
  PartitionSums,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../backend.js';
import { checkDeviceMemory, notHeld, partitionKey } from '../resident-partitions.js';
import type { FromThread, StepOperation, StepResult, ThreadSettings, ToThread } from './compute-messages.js';
import { proxyBytes } from './row-source.js';
import { StepMemory } from './step-memory.js';

export interface ReferenceBackendSettings {
  /** 1 or more */
  readonly computeThreads: number;
  /** budget for resident rows; Infinity = none */
  readonly deviceMemoryBytes: number;
  /** state of steps beyond this is computed again instead of kept */
  readonly stepStateBytesMax?: number;
}

interface Held {
  readonly thread: ComputeThread;
  readonly rowBytes: number;
  /** of the resolution that is used where none is asked for; counted from the start, so that building it later always fits */
  readonly proxyBytesExpected: number;
  proxyBytes: number;
}

export class ReferenceBackend implements Backend {
  readonly name = 'reference';
  readonly #threads: ComputeThread[];
  readonly #held = new Map<string, Held>();
  readonly #deviceMemoryBytes: number;
  readonly #stepMemory: StepMemory;
  readonly #open = new Set<ReferenceStep>();
  #steps = 0;

  constructor(settings: ReferenceBackendSettings) {
    invariant(settings.computeThreads >= 1, 'a backend has a compute thread');
    this.#deviceMemoryBytes = settings.deviceMemoryBytes;
    this.#stepMemory = new StepMemory(settings.stepStateBytesMax ?? WORKER_STEP_STATE_BYTES_MAX);
    const shared: ThreadSettings = { stepStateBytesMax: this.#stepMemory.bytesMax, stepMemory: this.#stepMemory.shared };
    const onProxies = (key: string, bytes: number): void => {
      const held = this.#held.get(key);
      if (held) held.proxyBytes = bytes;
    };
    this.#threads = Array.from({ length: settings.computeThreads }, () => new ComputeThread(shared, onProxies));
  }

  get computeThreads(): number {
    return this.#threads.length;
  }

  get residentBytes(): number {
    let bytes = 0;
    for (const held of this.#held.values()) bytes += bytesOf(held);
    return bytes;
  }

  /** Bytes beside the rows: of proxies, or kept free for them. */
  get proxyBytes(): number {
    let bytes = 0;
    for (const held of this.#held.values()) bytes += bytesOf(held) - held.rowBytes;
    return bytes;
  }

  /** Bytes of step state that are kept now. */
  get stepStateBytes(): number {
    return this.#stepMemory.usedBytes;
  }

  load(partition: PartitionRows): Promise<void> {
    // A promise rejects with what its executor throws; messages to a thread keep their order, so nothing is waited for.
    return new Promise((resolve) => {
      this.#hold(partition);
      resolve();
    });
  }

  #hold(partition: PartitionRows): void {
    invariant(partition.values.buffer instanceof SharedArrayBuffer, 'rows lie in shared memory');
    const key = partitionKey(partition);
    invariant(!this.#held.has(key), 'a partition is loaded once');
    const rowBytes = partition.values.byteLength + partition.labels.byteLength + partition.rowIds.byteLength;
    const geometry = proxyGeometry(partition.shape, 0);
    const proxyBytesExpected = geometry.factor === 1 ? 0 : proxyBytes(partition.values instanceof Uint8Array, partition.rows, geometry);
    checkDeviceMemory(partition, rowBytes + proxyBytesExpected, this.#deviceMemoryBytes - this.residentBytes);
    const thread = this.#threads.reduce((least, next) => (next.residentBytes < least.residentBytes ? next : least));
    this.#held.set(key, { thread, rowBytes, proxyBytesExpected, proxyBytes: 0 });
    thread.residentBytes += rowBytes;
    thread.post({ kind: 'load', key, partition });
  }

  unload(ref: PartitionRef): Promise<void> {
    const key = partitionKey(ref);
    const held = this.#held.get(key);
    if (!held) return Promise.resolve();
    this.#held.delete(key);
    held.thread.residentBytes -= held.rowBytes;
    held.thread.post({ kind: 'unload', key });
    return Promise.resolve();
  }

  openStep(queries: StepQueries): BackendStep {
    const shared = queries.x.buffer instanceof SharedArrayBuffer ? queries.x : new Float64Array(new SharedArrayBuffer(queries.x.byteLength));
    if (shared !== queries.x) shared.set(queries.x);
    const threadOf = (partition: number): ComputeThread => {
      const ref = { dataSet: queries.dataSet, partition };
      const held = this.#held.get(partitionKey(ref));
      if (held) return held.thread;
      throw notHeld(ref);
    };
    const step: ReferenceStep = new ReferenceStep(++this.#steps, { ...queries, x: shared }, threadOf, () => this.#open.delete(step));
    this.#open.add(step);
    return step;
  }

  async moments(ref: PartitionRef, label: number): Promise<MomentSums> {
    const key = partitionKey(ref);
    const held = this.#held.get(key);
    if (!held) throw notHeld(ref);
    return held.thread.moments(key, label);
  }

  async close(): Promise<void> {
    for (const step of [...this.#open]) step.close();
    this.#held.clear();
    await Promise.all(this.#threads.map((thread) => thread.stop()));
  }
}

function bytesOf(held: Held): number {
  return held.rowBytes + Math.max(held.proxyBytesExpected, held.proxyBytes);
}

class ReferenceStep implements BackendStep {
  readonly #cancelled = new Int32Array(new SharedArrayBuffer(4));
  readonly #threads = new Set<ComputeThread>();
  readonly #pending = new Set<(error: GolddiffError) => void>();
  #closed = false;

  constructor(
    readonly id: number,
    readonly queries: StepQueries,
    readonly threadOf: (partition: number) => ComputeThread,
    readonly onClose: () => void,
  ) {}

  restrict(partition: number, candidates: CandidateLists): void {
    if (this.#closed) return;
    this.#opened(partition).post({ kind: 'restrict', step: this.id, key: partitionKey({ dataSet: this.queries.dataSet, partition }), candidates });
  }

  screen(partition: number, stage: ScreenStage, cuts: StageCuts, ranks: RankRequest): Promise<PartitionScreen> {
    return this.#run<PartitionScreen>(partition, { kind: 'screen', stage, cuts, ranks });
  }

  scalars(partition: number, cuts: StageCuts): Promise<PosteriorScalars> {
    return this.#run<PosteriorScalars>(partition, { kind: 'scalars', cuts });
  }

  sums(partition: number, cuts: StageCuts, global: GlobalScalars, negligibleShare: number, histogram: boolean): Promise<PartitionSums> {
    return this.#run<PartitionSums>(partition, { kind: 'sums', cuts, global, negligibleShare, histogram });
  }

  groups(partition: number, cuts: StageCuts): Promise<GroupedPartial> {
    return this.#run<GroupedPartial>(partition, { kind: 'groups', cuts });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    Atomics.store(this.#cancelled, 0, 1);
    for (const thread of this.#threads) thread.post({ kind: 'close', step: this.id });
    for (const reject of this.#pending) reject(new GolddiffError('CANCELLED', 'The step was closed'));
    this.#pending.clear();
    this.onClose();
  }

  /** The thread of a partition, which knows of this step. */
  #opened(partition: number): ComputeThread {
    const thread = this.threadOf(partition);
    if (!this.#threads.has(thread)) {
      this.#threads.add(thread);
      thread.post({ kind: 'open', step: this.id, queries: this.queries, cancelled: this.#cancelled });
    }
    return thread;
  }

  async #run<T extends StepResult>(partition: number, operation: StepOperation): Promise<T> {
    if (this.#closed) throw new GolddiffError('CANCELLED', 'The step was closed');
    const thread = this.#opened(partition);
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      thread.run(this.id, partitionKey({ dataSet: this.queries.dataSet, partition }), operation).then(
        (result) => {
          this.#pending.delete(reject);
          // The thread answers an operation with its own kind of result.
          resolve(result as T);
        },
        (error: unknown) => {
          this.#pending.delete(reject);
          reject(asGolddiffError(error));
        },
      );
    });
  }
}

class ComputeThread {
  residentBytes = 0;
  readonly #worker: Worker;
  readonly #tasks = new Map<number, { resolve: (result: StepResult | MomentSums) => void; reject: (error: GolddiffError) => void }>();
  #next = 0;
  #ended: GolddiffError | undefined;

  constructor(settings: ThreadSettings, onProxies: (key: string, bytes: number) => void) {
    this.#worker = new Worker(new URL('./compute-thread.js', import.meta.url), { workerData: settings });
    this.#worker.on('message', (message: FromThread) => {
      if (message.kind === 'proxies') return onProxies(message.key, message.bytes);
      const task = this.#tasks.get(message.task);
      this.#tasks.delete(message.task);
      if (message.kind === 'result') task?.resolve(message.result);
      else task?.reject(new GolddiffError(message.failure.code, message.failure.message, message.failure.data));
    });
    this.#worker.on('error', (cause) => this.#end(new GolddiffError('INTERNAL', `A compute thread ended: ${cause.message}`, {}, { cause })));
    this.#worker.on('exit', () => this.#end(new GolddiffError('CANCELLED', 'The backend was closed')));
  }

  post(message: ToThread): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  /** The thread answers a task with its own kind of result. */
  run(step: number, key: string, operation: StepOperation): Promise<StepResult> {
    return this.#ask((task) => ({ kind: 'task', task, step, key, operation })) as Promise<StepResult>;
  }

  moments(key: string, label: number): Promise<MomentSums> {
    return this.#ask((task) => ({ kind: 'moments', task, key, label })) as Promise<MomentSums>;
  }

  #ask(message: (task: number) => ToThread): Promise<StepResult | MomentSums> {
    if (this.#ended) return Promise.reject(this.#ended);
    const task = ++this.#next;
    return new Promise((resolve, reject) => {
      this.#tasks.set(task, { resolve, reject });
      this.post(message(task));
    });
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }

  #end(error: GolddiffError): void {
    this.#ended ??= error;
    for (const task of this.#tasks.values()) task.reject(this.#ended);
    this.#tasks.clear();
  }
}
