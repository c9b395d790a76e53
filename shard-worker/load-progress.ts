/** How far the loads of this worker are: for its log, its health and its metrics. */

import { LOAD_PROGRESS_LOG_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';

export interface LoadState {
  /** loaded or failed */
  readonly partitionsDone: number;
  readonly partitions: number;
  /** of partitions done */
  readonly bytesDone: number;
  readonly bytes: number;
  /** that came from remote sources meanwhile */
  readonly bytesFetched: number;
}

export interface LoadProgressSettings {
  readonly log: Logger;
  /** when loads begin and end */
  readonly onChange?: (state: LoadState | undefined) => void;
  readonly intervalMs?: number;
}

const NONE = { partitionsDone: 0, partitions: 0, bytesDone: 0, bytes: 0, bytesFetched: 0 };

export class LoadProgress {
  #counts = { ...NONE };
  #timer: NodeJS.Timeout | undefined;

  constructor(private readonly settings: LoadProgressSettings) {}

  /** undefined while nothing is loaded */
  get state(): LoadState | undefined {
    return this.#counts.partitions === 0 ? undefined : { ...this.#counts };
  }

  /** "3 of 8 partitions loaded, 120 of 400 MB" */
  get sentence(): string {
    const { partitionsDone, partitions, bytesDone, bytes, bytesFetched } = this.#counts;
    const mb = (n: number): string => (n / 1e6).toFixed(n < 1e7 ? 1 : 0);
    const fetched = bytesFetched === 0 ? '' : `, ${mb(bytesFetched)} MB fetched`;
    return `${partitionsDone} of ${partitions} partitions loaded, ${mb(bytesDone)} of ${mb(bytes)} MB${fetched}`;
  }

  /** @param bytes of each partition that is to be loaded */
  begin(bytes: readonly number[]): void {
    if (bytes.length === 0) return;
    this.#counts.partitions += bytes.length;
    this.#counts.bytes += bytes.reduce((sum, n) => sum + n, 0);
    this.#timer ??= setInterval(() => this.#say(), this.settings.intervalMs ?? LOAD_PROGRESS_LOG_MS).unref();
    this.#changed();
  }

  fetched(bytes: number): void {
    if (this.#counts.partitions > 0) this.#counts.bytesFetched += bytes;
  }

  /** One partition, loaded or failed. */
  done(bytes: number): void {
    this.#counts.partitionsDone++;
    this.#counts.bytesDone += bytes;
    if (this.#counts.partitionsDone === this.#counts.partitions) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#counts = { ...NONE };
    }
    this.#changed();
  }

  #say(): void {
    this.settings.log.info(this.state, `still loading: ${this.sentence}`);
  }

  #changed(): void {
    this.settings.onChange?.(this.state);
  }
}
