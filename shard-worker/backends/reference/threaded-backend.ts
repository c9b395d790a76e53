/**
 * A backend whose work is done by compute threads of this program. A partition belongs to one thread, which holds its proxies and the
 * state of every step on it; rows and queries lie in shared memory, so that only requests and answers move.
 */

import { invariant } from '../../../shared/errors.js';
import { WORKER_STEP_STATE_BYTES_MAX } from '../../../shared/limits.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import type { Backend, BackendName, BackendStep, PartitionRef, PartitionRows, StepQueries } from '../backend.js';
import { checkDeviceMemory, notHeld, partitionKey } from '../resident-partitions.js';
import type { ThreadSettings } from './compute-messages.js';
import { ComputeThread } from './compute-thread-handle.js';
import { StepMemory } from './step-memory.js';
import { ThreadedStep } from './threaded-step.js';

export interface ThreadedBackendSettings {
  readonly name: BackendName;
  /** program of a compute thread */
  readonly threadEntry: URL;
  /** 1 or more */
  readonly computeThreads: number;
  /** budget for resident rows; Infinity = none */
  readonly deviceMemoryBytes: number;
  /** state of steps beyond this is computed again instead of kept */
  readonly stepStateBytesMax?: number;
  readonly bytesOf: (partition: PartitionRows) => PartitionBytes;
  /** a load is over when the thread has the rows, which may fail there; false = nothing can go wrong and nothing is waited for */
  readonly awaitsLoads: boolean;
  /** for the threads, beside what all have */
  readonly threadData?: object;
}

export interface PartitionBytes {
  readonly rows: number;
  /** of the resolution that is used where none is asked for; counted from the start, so that building it later always fits */
  readonly proxies: number;
}

interface Held {
  readonly thread: ComputeThread;
  readonly rowBytes: number;
  /** of the resolution that is used where none is asked for; counted from the start, so that building it later always fits */
  readonly proxyBytesExpected: number;
  proxyBytes: number;
}

export class ThreadedBackend implements Backend {
  readonly name: BackendName;
  readonly takesCandidates = true;
  protected readonly threads: ComputeThread[];
  readonly #held = new Map<string, Held>();
  readonly #deviceMemoryBytes: number;
  readonly #stepMemory: StepMemory;
  readonly #open = new Set<ThreadedStep>();
  #steps = 0;

  constructor(private readonly settings: ThreadedBackendSettings) {
    invariant(settings.computeThreads >= 1, 'a backend has a compute thread');
    this.name = settings.name;
    this.#deviceMemoryBytes = settings.deviceMemoryBytes;
    this.#stepMemory = new StepMemory(settings.stepStateBytesMax ?? WORKER_STEP_STATE_BYTES_MAX);
    const shared: ThreadSettings = { ...settings.threadData, stepStateBytesMax: this.#stepMemory.bytesMax, stepMemory: this.#stepMemory.shared };
    const onProxies = (key: string, bytes: number): void => {
      const held = this.#held.get(key);
      if (held) held.proxyBytes = bytes;
    };
    this.threads = Array.from({ length: settings.computeThreads }, () => new ComputeThread(settings.threadEntry, shared, onProxies));
  }

  get computeThreads(): number {
    return this.threads.length;
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

  async load(partition: PartitionRows): Promise<void> {
    invariant(partition.values.buffer instanceof SharedArrayBuffer, 'rows lie in shared memory');
    const key = partitionKey(partition);
    invariant(!this.#held.has(key), 'a partition is loaded once');
    const bytes = this.settings.bytesOf(partition);
    checkDeviceMemory(partition, bytes.rows + bytes.proxies, this.#deviceMemoryBytes - this.residentBytes);
    const thread = this.threads.reduce((least, next) => (next.residentBytes < least.residentBytes ? next : least));
    const held: Held = { thread, rowBytes: bytes.rows, proxyBytesExpected: bytes.proxies, proxyBytes: 0 };
    this.#held.set(key, held);
    thread.residentBytes += held.rowBytes;
    // Messages to a thread keep their order: what is asked of the partition comes after it.
    const loaded = thread.load(key, partition).catch((thrown: unknown) => {
      if (this.#held.get(key) === held) this.#forget(key, held);
      throw thrown;
    });
    if (this.settings.awaitsLoads) await loaded;
    else loaded.catch(() => {});
  }

  #forget(key: string, held: Held): void {
    this.#held.delete(key);
    held.thread.residentBytes -= held.rowBytes;
  }

  unload(ref: PartitionRef): Promise<void> {
    const key = partitionKey(ref);
    const held = this.#held.get(key);
    if (!held) return Promise.resolve();
    this.#forget(key, held);
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
    const step: ThreadedStep = new ThreadedStep(++this.#steps, { ...queries, x: shared }, threadOf, () => this.#open.delete(step));
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
    await Promise.all(this.threads.map((thread) => thread.stop()));
  }
}

function bytesOf(held: Held): number {
  return held.rowBytes + Math.max(held.proxyBytesExpected, held.proxyBytes);
}
