/**
 * The candidate indexes of a worker: which partitions have one, in which state, and the threads that hold them.
 *
 * A partition's index is loaded from disk, or built in the background, one build at a time, and takes part in searches once it is complete; until then,
 * and if it fails, the partition is scanned. Nothing waits for an index: not loading, not health, not a request.
 */

import { Worker } from 'node:worker_threads';
import { GolddiffError, invariant } from '../../shared/errors.js';
import type { Logger } from '../../shared/log.js';
import { proxyGeometry } from '../../shared/math/proxy.js';
import { INDEX_EXIT_WAIT_MS, INDEX_ROWS_MIN, INDEX_THREADS_MAX } from '../../shared/limits.js';
import type { PartitionRef, PartitionRows } from '../backends/backend.js';
import { indexFolders, type IndexIdentity } from './index-file.js';
import { indexBytes } from './index-parameters.js';
import { BUSY, STOPPING, type FromIndexThread, type IndexThreadSettings, type ToIndexThread } from './index-messages.js';

/** `absent`: not asked for; `pending`: being loaded or built; `failed`: not to be had, the log says why. */
export type IndexState = 'absent' | 'pending' | 'ready' | 'failed';

export interface CandidateIndexesSettings {
  /** threads to share with the backend's; one for each is started when first needed */
  readonly threads: number;
  /** what the rows leave of the memory: no index is begun that would take the indexes together beyond it */
  readonly memoryBytes: () => number;
  readonly log: Logger;
  /** partitions of so many rows get an index when they are loaded; others when a search asks for one */
  readonly rowsMin?: number;
  readonly onBuilt?: (seconds: number) => void;
  /** after every change: indexes that are ready, and bytes of all */
  readonly onChange?: (ready: number, bytes: number) => void;
}

/** A loaded partition, and where its index is kept. */
export type IndexablePartition = PartitionRows & { readonly sha256: string };

interface Held {
  readonly partition: IndexablePartition;
  readonly folders: readonly string[];
  /** by proxy resolution */
  readonly indexes: Map<number, Index>;
}

interface Index {
  readonly key: string;
  readonly identity: IndexIdentity;
  readonly bytes: number;
  readonly held: Held;
  state: IndexState;
  thread: IndexThread | undefined;
}

export class CandidateIndexes {
  readonly #settings: CandidateIndexesSettings;
  readonly #held = new Map<string, Held>();
  readonly #threads: IndexThread[] = [];
  /** by key; several with one key cannot be: a partition that was dropped gets a new key when it comes again */
  readonly #indexes = new Map<string, Index>();
  readonly #builds: Index[] = [];
  #building: Index | undefined;
  #keys = 0;
  #idle: (() => void)[] = [];
  readonly #onExit = (): void => this.#threads.forEach((thread) => thread.leaveLibrary());

  constructor(settings: CandidateIndexesSettings) {
    invariant(settings.threads >= 1, 'an index has a thread');
    this.#settings = settings;
    process.on('exit', this.#onExit);
  }

  /** Takes note of a loaded partition; its rows are read, never written. One that is large gets its index now. */
  hold(partition: IndexablePartition, dataSetDir: string): void {
    const held: Held = { partition, folders: indexFolders(dataSetDir), indexes: new Map() };
    this.#held.set(nameOf(partition), held);
    if (partition.rows >= (this.#settings.rowsMin ?? INDEX_ROWS_MIN)) this.begin(partition, proxyGeometry(partition.shape, 0).resolution);
  }

  drop(ref: PartitionRef): void {
    const held = this.#held.get(nameOf(ref));
    this.#held.delete(nameOf(ref));
    for (const index of held?.indexes.values() ?? []) this.#forget(index);
    this.#changed();
  }

  /** n; undefined where the partition is not held. */
  rows(ref: PartitionRef): number | undefined {
    return this.#held.get(nameOf(ref))?.partition.rows;
  }

  /** [n] global ids; undefined where the partition is not held. */
  rowIds(ref: PartitionRef): Uint32Array | undefined {
    return this.#held.get(nameOf(ref))?.partition.rowIds;
  }

  state(ref: PartitionRef, resolution: number): IndexState {
    return this.#held.get(nameOf(ref))?.indexes.get(resolution)?.state ?? 'absent';
  }

  /** Starts loading or building an index that is absent. */
  begin(ref: PartitionRef, resolution: number): void {
    const held = this.#held.get(nameOf(ref));
    if (!held || held.indexes.has(resolution)) return;
    const { partition, sha256, rows, shape } = held.partition;
    const proxyValues = proxyGeometry(shape, resolution).values;
    const identity = { partition, sha256, resolution, rows, proxyValues };
    const index: Index = { key: String(++this.#keys), identity, bytes: indexBytes(rows, proxyValues), held, state: 'pending', thread: undefined };
    held.indexes.set(resolution, index);
    const free = this.#settings.memoryBytes() - this.#bytes;
    if (index.bytes > free) {
      index.state = 'failed';
      this.#log(index).warn({ neededBytes: index.bytes, freeBytes: Math.max(0, free) }, 'no index: it does not fit in the memory for rows');
      return;
    }
    this.#indexes.set(index.key, index);
    index.thread = this.#leastLoaded();
    index.thread.rows += rows;
    index.thread.post({ kind: 'load', key: index.key, identity, folders: held.folders });
    this.#changed();
  }

  /**
   * Candidates of each query, row indexes ascending, `wanted` of them (fewer where the graph does not reach so many).
   *
   * @param points [B, d] pool(x) / alpha
   * @param wanted [B] 0 = none
   * @param cancelled turns 1 when nobody waits any more
   * @throws CANCELLED, INTERNAL
   */
  search(ref: PartitionRef, resolution: number, points: Float64Array, wanted: Uint32Array, cancelled: Int32Array): Promise<readonly Uint32Array[]> {
    const index = this.#held.get(nameOf(ref))?.indexes.get(resolution);
    invariant(index?.state === 'ready' && index.thread, 'an index that is ready is searched');
    return index.thread.search(index.key, points, wanted, cancelled);
  }

  /** Resolves when nothing is being loaded or built. */
  idle(): Promise<void> {
    if (![...this.#indexes.values()].some((index) => index.state === 'pending')) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  async close(): Promise<void> {
    this.#builds.length = 0;
    this.#indexes.clear();
    this.#held.clear();
    this.#changed();
    await Promise.all(this.#threads.map((thread) => thread.stop()));
    process.off('exit', this.#onExit);
  }

  get #bytes(): number {
    return [...this.#indexes.values()].reduce((sum, index) => sum + index.bytes, 0);
  }

  #leastLoaded(): IndexThread {
    if (this.#threads.length < Math.min(this.#settings.threads, INDEX_THREADS_MAX) && this.#threads.every((thread) => thread.rows > 0)) {
      const thread: IndexThread = new IndexThread(
        (message) => this.#take(message),
        (cause) => this.#lost(thread, cause),
      );
      this.#threads.push(thread);
      return thread;
    }
    return this.#threads.reduce((least, next) => (next.rows < least.rows ? next : least));
  }

  #take(message: Exclude<FromIndexThread, { task: number }>): void {
    const index = this.#indexes.get(message.key);
    if (!index) return;
    const log = this.#log(index);
    switch (message.kind) {
      case 'loaded':
        log.info({ file: message.file }, 'index loaded');
        this.#ready(index);
        break;
      case 'absent':
        for (const reason of message.bad) log.warn(`saved index passed over, it is built anew: ${reason}`);
        this.#builds.push(index);
        this.#buildNext();
        break;
      case 'progress':
        log.info({ rowsDone: message.rows, rows: index.identity.rows }, 'index is being built');
        break;
      case 'built':
        log.info({ rows: index.identity.rows, seconds: message.seconds }, 'index built');
        this.#settings.onBuilt?.(message.seconds);
        this.#ready(index);
        break;
      case 'saved':
        log.info({ file: message.file, bytes: message.bytes }, 'index saved');
        break;
      case 'failed':
        if (message.doing === 'save') log.warn(`index not saved, it will be built again at the next start: ${message.message}`);
        else this.#fail(index, message.message);
        break;
    }
  }

  #ready(index: Index): void {
    index.state = 'ready';
    this.#buildEnded(index);
    this.#changed();
  }

  #fail(index: Index, reason: string): void {
    this.#log(index).error(`no index, its partition is scanned: ${reason}`);
    index.state = 'failed';
    this.#indexes.delete(index.key);
    this.#buildEnded(index);
    this.#changed();
  }

  #forget(index: Index): void {
    if (!this.#indexes.delete(index.key)) return;
    const queued = this.#builds.indexOf(index);
    if (queued >= 0) this.#builds.splice(queued, 1);
    if (index.thread) index.thread.rows -= index.identity.rows;
    index.thread?.post({ kind: 'drop', key: index.key });
    this.#buildEnded(index);
  }

  #buildEnded(index: Index): void {
    if (this.#building !== index) return;
    this.#building = undefined;
    this.#buildNext();
  }

  #buildNext(): void {
    if (this.#building) return;
    const index = this.#builds.shift();
    if (!index) return;
    this.#building = index;
    const { key, identity, held } = index;
    const { rows, shape, values } = held.partition;
    this.#log(index).info({ rows }, 'index is being built');
    index.thread?.post({ kind: 'build', key, identity, rows: { rows, shape, values }, folders: held.folders });
  }

  #lost(thread: IndexThread, cause: Error): void {
    for (const index of [...this.#indexes.values()]) if (index.thread === thread) this.#fail(index, `its thread ended: ${cause.message}`);
    this.#threads.splice(this.#threads.indexOf(thread), 1);
  }

  #changed(): void {
    const all = [...this.#indexes.values()];
    this.#settings.onChange?.(all.filter((index) => index.state === 'ready').length, this.#bytes);
    if (!all.some((index) => index.state === 'pending')) this.#idle.splice(0).forEach((resolve) => resolve());
  }

  #log(index: Index): Logger {
    const { partition, dataSet } = index.held.partition;
    return this.#settings.log.child({ dataSet, partition, resolution: index.identity.resolution });
  }
}

class IndexThread {
  /** of the partitions whose indexes it holds */
  rows = 0;
  readonly #state = new Int32Array(new SharedArrayBuffer(8));
  readonly #worker: Worker;
  readonly #ended: Promise<unknown>;
  readonly #searches = new Map<number, { resolve: (lists: readonly Uint32Array[]) => void; reject: (error: GolddiffError) => void }>();
  #tasks = 0;

  constructor(onMessage: (message: Exclude<FromIndexThread, { task: number }>) => void, onLost: (cause: Error) => void) {
    const settings: IndexThreadSettings = { state: this.#state };
    this.#worker = new Worker(new URL('./hnsw-thread.js', import.meta.url), { workerData: settings });
    this.#ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.on('message', (message: FromIndexThread) => {
      if (!('task' in message)) return onMessage(message);
      const search = this.#searches.get(message.task);
      this.#searches.delete(message.task);
      if (message.kind === 'found') search?.resolve(message.lists);
      else search?.reject(new GolddiffError('CANCELLED', `The search of an index ended: ${message.message}`));
    });
    this.#worker.on('error', (cause) => {
      this.#rejectAll(new GolddiffError('INTERNAL', `An index thread ended: ${cause.message}`, {}, { cause }));
      onLost(cause);
    });
    this.#worker.on('exit', () => this.#rejectAll(new GolddiffError('CANCELLED', 'The indexes were closed')));
  }

  post(message: ToIndexThread): void {
    this.#worker.postMessage(message);
  }

  search(key: string, points: Float64Array, wanted: Uint32Array, cancelled: Int32Array): Promise<readonly Uint32Array[]> {
    const task = ++this.#tasks;
    return new Promise((resolve, reject) => {
      this.#searches.set(task, { resolve, reject });
      this.post({ kind: 'search', task, key, points, wanted, cancelled });
    });
  }

  /** Ends after the search of one query, a slice of a build or the writing of a file. */
  async stop(): Promise<void> {
    this.#rejectAll(new GolddiffError('CANCELLED', 'The indexes were closed'));
    Atomics.store(this.#state, STOPPING, 1);
    this.post({ kind: 'stop' });
    await this.#ended;
  }

  /** For a process that exits now. */
  leaveLibrary(): void {
    Atomics.store(this.#state, STOPPING, 1);
    Atomics.wait(this.#state, BUSY, 1, INDEX_EXIT_WAIT_MS);
  }

  #rejectAll(error: GolddiffError): void {
    for (const search of this.#searches.values()) search.reject(error);
    this.#searches.clear();
  }
}

function nameOf({ dataSet, partition }: PartitionRef): string {
  return `${partition}/${dataSet}`;
}
