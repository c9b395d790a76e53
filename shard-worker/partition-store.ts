/**
 * Which partitions this worker holds, at which placement epochs. Two are valid: the newest, and the one that was in effect when it was assigned (the one
 * before, where that is not said), so that steps go on until it takes effect and those under way end well. A partition that neither names is let go. Several
 * Assigns may come before one takes effect, where a planner lost a race or died: none of them ends the one in effect.
 */

import { GolddiffError, invariant } from '../shared/errors.js';
import { DATA_FETCHES_DEFAULT, PARTITION_LOADS_MAX } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { Places } from '../shared/places.js';
import type { DataSet } from '../shared/dataset/data-set.js';
import type { Backend } from './backends/backend.js';
import type { RowSpan } from './block-partials.js';
import type { CandidateIndexes } from './candidates/candidate-indexes.js';
import type { LoadProgress } from './load-progress.js';
import { loadTaken } from './load-taken.js';

export interface HeldState {
  readonly dataSet: string;
  readonly partition: number;
  readonly rows: number;
  /** as verified, or as the manifest says where it failed */
  readonly sha256: string;
  /** the newest epoch that names it */
  readonly epoch: number;
  /** undefined = loaded and served */
  readonly failure: string | undefined;
}

export interface Assignment {
  readonly dataSet: string;
  readonly contentHash: string;
  readonly epoch: number;
  readonly partitions: readonly number[];
  /** the epoch that steps go by now; 0 or absent = not said */
  readonly inEffectEpoch?: number;
}

export interface PartitionStoreSettings {
  readonly dataSets: readonly DataSet[];
  readonly backend: Backend;
  /** told of every partition that is loaded or let go, where the backend takes candidates */
  readonly indexes?: CandidateIndexes;
  /** budget for resident rows, looked at before a file is read; Infinity = none */
  readonly deviceMemoryBytes: number;
  readonly log: Logger;
  /** partitions of remote data sets that are fetched at once; default DATA_FETCHES_DEFAULT */
  readonly fetchesMax?: number;
  /** told of loads as they begin and end */
  readonly progress?: LoadProgress;
  /** after every change of what is held */
  readonly onChange?: (held: readonly HeldState[]) => void;
}

interface Epoch {
  readonly epoch: number;
  readonly partitions: Set<number>;
}

interface Served {
  readonly dataSet: DataSet;
  /** all partitions of the data set, ascending */
  readonly present: readonly number[];
  /** by partition: places of its rows in the data set */
  readonly spans: ReadonlyMap<number, RowSpan>;
  current: Epoch | undefined;
  previous: Epoch | undefined;
  readonly states: Map<number, HeldState>;
  /** for partitions whose file is pinned in the cache of the machine: lets it go */
  readonly releases: Map<number, () => Promise<void>>;
  /** Assigns of one data set run one after another */
  assigning: Promise<unknown>;
}

export class PartitionStore {
  readonly #served: Map<string, Served>;
  readonly #settings: PartitionStoreSettings;
  readonly #stop = new AbortController();
  /** Partitions being read into memory; fetching one to the disk takes none. */
  readonly #loads = new Places(PARTITION_LOADS_MAX);

  constructor(settings: PartitionStoreSettings) {
    this.#settings = settings;
    this.#served = new Map(
      settings.dataSets.map((dataSet) => [
        dataSet.manifest.name,
        {
          dataSet,
          present: dataSet.manifest.partitions.map((p) => p.id).sort((a, b) => a - b),
          spans: spansOf(dataSet.manifest),
          current: undefined,
          previous: undefined,
          states: new Map(),
          releases: new Map(),
          assigning: Promise.resolve(),
        },
      ]),
    );
  }

  get dataSets(): readonly DataSet[] {
    return this.#settings.dataSets;
  }

  /** Nothing was assigned yet, or the first of it is still being loaded. */
  get isEmpty(): boolean {
    return [...this.#served.values()].every(({ current }) => current === undefined);
  }

  /** Everything assigned, served or failed. */
  held(): HeldState[] {
    return [...this.#served.values()].flatMap(({ states }) => [...states.values()].sort((a, b) => a.partition - b.partition));
  }

  /** @throws DATA_SET_UNKNOWN */
  dataSet(name: string): {
    readonly shape: readonly [number, number, number];
    readonly present: readonly number[];
    readonly spanOf: (partition: number) => RowSpan;
  } {
    const { dataSet, present, spans } = this.#find(name);
    const spanOf = (partition: number): RowSpan => {
      const span = spans.get(partition);
      invariant(span !== undefined, 'a partition of a step is one of the data set');
      return span;
    };
    return { shape: dataSet.manifest.shape, present, spanOf };
  }

  /**
   * Loads what is missing and makes the epoch the newest one. Partitions that fail are in the answer with the reason; asking again tries them again.
   * @throws DATA_SET_UNKNOWN, DATA_SET_MISMATCH, EPOCH_STALE for an epoch below the newest
   */
  async assign(assignment: Assignment): Promise<HeldState[]> {
    const served = this.#find(assignment.dataSet);
    const own = served.dataSet.manifest.contentHash;
    if (assignment.contentHash !== own) {
      throw new GolddiffError(
        'DATA_SET_MISMATCH',
        `Expected the content hash of ${assignment.dataSet} to be ${own} as on this worker's disk but received ${assignment.contentHash || 'none'}`,
      );
    }
    const turn = served.assigning.then(() => this.#assign(served, assignment));
    served.assigning = turn.catch(() => {});
    return turn;
  }

  /**
   * @throws DATA_SET_UNKNOWN; EPOCH_STALE for an epoch that is not valid here or that does not give these partitions to this worker;
   * PARTITION_MISSING for partitions that could not be loaded
   */
  checkHeld(name: string, epoch: number, partitions: readonly number[]): void {
    const served = this.#find(name);
    const valid = [served.current, served.previous].find((known) => known?.epoch === epoch);
    if (!valid) {
      const newest = served.current === undefined ? 'none' : String(served.current.epoch);
      throw new GolddiffError('EPOCH_STALE', `Epoch ${epoch} of ${name} is not valid on this worker, whose newest is ${newest}`, { partitions });
    }
    const foreign = partitions.filter((id) => !valid.partitions.has(id));
    if (foreign.length > 0) {
      throw new GolddiffError('EPOCH_STALE', `This worker does not hold partition ${foreign.join(', ')} of ${name} at epoch ${epoch}`, {
        partitions: foreign,
      });
    }
    const failed = partitions.filter((id) => served.states.get(id)?.failure !== undefined);
    if (failed.length > 0) {
      const reason = served.states.get(failed[0]!)!.failure!;
      throw new GolddiffError('PARTITION_MISSING', `This worker does not serve partition ${failed.join(', ')} of ${name}: ${reason}`, {
        partitions: failed,
      });
    }
  }

  /** Ends loads under way, and lets go of cached files. */
  async close(): Promise<void> {
    this.#stop.abort(new GolddiffError('CANCELLED', 'The worker stops'));
    const served = [...this.#served.values()];
    await Promise.all(served.map(({ assigning }) => assigning));
    await Promise.all(served.flatMap(({ releases }) => [...releases.values()].map((release) => release())));
  }

  #find(name: string): Served {
    const served = this.#served.get(name);
    if (served) return served;
    throw new GolddiffError('DATA_SET_UNKNOWN', `Expected one of the data sets ${[...this.#served.keys()].join(', ')} but received ${name}`);
  }

  async #assign(served: Served, { epoch, partitions, inEffectEpoch }: Assignment): Promise<HeldState[]> {
    const { current } = served;
    if (current !== undefined && epoch < current.epoch) {
      throw new GolddiffError('EPOCH_STALE', `Expected an epoch of at least ${current.epoch} but received ${epoch}`);
    }
    const again = current?.epoch === epoch;
    const wanted = new Set(again ? [...current.partitions, ...partitions] : partitions);
    const kept = again || (served.previous !== undefined && served.previous.epoch === inEffectEpoch) ? served.previous : current;
    // What neither epoch names goes first, to make room.
    await this.#dropOthers(served, [wanted, kept?.partitions]);

    const missing = [...wanted].filter((id) => {
      const state = served.states.get(id);
      return state === undefined || state.failure !== undefined;
    });
    const { progress, fetchesMax = DATA_FETCHES_DEFAULT } = this.#settings;
    const bytesOf = (id: number): number => served.dataSet.manifest.partitions[id]?.bytes ?? 0;
    const atOnce = served.dataSet.files === undefined ? PARTITION_LOADS_MAX : Math.max(PARTITION_LOADS_MAX, fetchesMax);
    progress?.begin(missing.map(bytesOf));
    let next = 0;
    const loadSome = async (): Promise<void> => {
      for (let i = next++; i < missing.length; i = next++) {
        await this.#load(served, missing[i]!, epoch).finally(() => progress?.done(bytesOf(missing[i]!)));
      }
    };
    await Promise.all(Array.from({ length: Math.min(atOnce, missing.length) }, loadSome));

    for (const id of wanted) {
      const state = served.states.get(id);
      if (state) served.states.set(id, { ...state, epoch });
    }
    served.previous = kept;
    served.current = { epoch, partitions: wanted };
    this.#settings.onChange?.(this.held());
    return partitions.map((id) => served.states.get(id)!);
  }

  async #dropOthers(served: Served, keep: readonly (Set<number> | undefined)[]): Promise<void> {
    for (const id of [...served.states.keys()]) {
      if (keep.some((set) => set?.has(id))) continue;
      served.states.delete(id);
      const ref = { dataSet: served.dataSet.manifest.name, partition: id };
      this.#settings.indexes?.drop(ref);
      await this.#settings.backend.unload(ref);
      await served.releases.get(id)?.();
      served.releases.delete(id);
    }
  }

  async #load(served: Served, id: number, epoch: number): Promise<void> {
    const { backend, deviceMemoryBytes, log } = this.#settings;
    const { name, partitions } = served.dataSet.manifest;
    const entry = partitions.find((partition) => partition.id === id);
    const state = { dataSet: name, partition: id, rows: entry?.rows ?? 0, sha256: entry?.sha256 ?? '', epoch };
    try {
      const free = deviceMemoryBytes - backend.residentBytes;
      if (entry && entry.bytes > free) {
        throw new GolddiffError(
          'LIMIT_EXCEEDED',
          `Partition ${id} of ${name} needs ${entry.bytes} bytes of device memory but ${Math.max(0, free)} are free`,
        );
      }
      const startedMs = performance.now();
      const release = await loadTaken(served.dataSet, id, { signal: this.#stop.signal, places: this.#loads, log }, async (loaded) => {
        await backend.load(loaded);
        if (backend.takesCandidates) this.#settings.indexes?.hold(loaded, served.dataSet.dir);
      });
      served.releases.set(id, release);
      served.states.set(id, { ...state, failure: undefined });
      log.info({ dataSet: name, partition: id, rows: state.rows, epoch, loadMs: Math.round(performance.now() - startedMs) }, 'partition loaded');
    } catch (thrown) {
      if (!(thrown instanceof GolddiffError)) throw thrown;
      served.states.set(id, { ...state, failure: `${thrown.code}: ${thrown.message}` });
      log.error({ dataSet: name, partition: id, epoch, code: thrown.code }, `partition not served: ${thrown.message}`);
    }
  }
}

/** Partitions one after the other, in ascending order. */
function spansOf({ partitions }: DataSet['manifest']): Map<number, RowSpan> {
  let from = 0;
  return new Map([...partitions].sort((a, b) => a.id - b.id).map(({ id, rows }) => [id, { from, to: (from += rows) }]));
}
