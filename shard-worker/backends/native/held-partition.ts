/** One partition in the native engine: its bytes, and when they are freed. */

import type { PartitionRows } from '../backend.js';
import type { NativeAddon, NativeEngine, NativePartition } from '../../../shared/native/native-addon.js';
import { expectedExtraBytes } from './resident-bytes.js';

/** Bytes that a partition takes: its rows, norms, and proxies of the resolution that is used where none is asked for, so that building them later always fits. */
export function expectedBytes({ rows, shape, values, labels, rowIds }: PartitionRows): number {
  return values.byteLength + labels.byteLength + rowIds.byteLength + expectedExtraBytes(values instanceof Uint8Array, rows, shape);
}

type PartitionCalls = Pick<NativeAddon, 'loadPartition' | 'partitionBytes' | 'releasePartition'>;

export class HeldPartition {
  /** n */
  readonly rows: number;
  readonly eightBit: boolean;
  readonly shape: PartitionRows['shape'];
  /** rejects where the engine had no memory for it */
  readonly native: Promise<NativePartition>;
  readonly #addon: PartitionCalls;
  readonly #rowBytes: number;
  readonly #expectedBytes: number;
  #loaded: NativePartition | undefined;
  #users = 0;
  #unloaded = false;

  constructor(
    addon: PartitionCalls,
    engine: NativeEngine,
    partition: PartitionRows,
    memory: { readonly expectedBytes: number; readonly sharesRows: boolean },
  ) {
    const { rows, shape, values, labels, rowIds } = partition;
    const [channels, height, width] = shape;
    this.rows = rows;
    this.eightBit = values instanceof Uint8Array;
    this.shape = shape;
    this.#addon = addon;
    this.#rowBytes = memory.sharesRows ? values.byteLength + labels.byteLength + rowIds.byteLength : 0;
    this.#expectedBytes = memory.expectedBytes;
    this.native = addon.loadPartition(engine, { rows, channels, height, width, values, labels, rowIds });
    this.native.then(
      (ready) => {
        this.#loaded = ready;
        this.#release();
      },
      () => {},
    );
  }

  get bytes(): number {
    return Math.max(this.#expectedBytes, this.#rowBytes + (this.#loaded === undefined ? 0 : this.#addon.partitionBytes(this.#loaded)));
  }

  /** Runs `call` on the partition, which stays in memory until the call has ended, unloaded or not. */
  async use<T>(call: (native: NativePartition) => Promise<T>): Promise<T> {
    this.#users++;
    try {
      return await call(await this.native);
    } finally {
      this.#users--;
      this.#release();
    }
  }

  /** Frees it, at once or after the last call under way. Nothing is begun on it from then on. */
  unload(): void {
    this.#unloaded = true;
    this.#release();
  }

  #release(): void {
    if (!this.#unloaded || this.#users > 0 || this.#loaded === undefined) return;
    this.#addon.releasePartition(this.#loaded);
    this.#loaded = undefined;
  }
}
