/** Results that are made once and shared by all who ask meanwhile, kept up to a number of bytes, those that were not used for longest let go first. */

import { abortReason } from '../admission-queue.js';

interface Entry<T> {
  readonly result: Promise<T>;
  /** 0 until it is there */
  bytes: number;
}

export class KeptResults<T> {
  /** oldest use first */
  readonly #entries = new Map<string, Entry<T>>();

  constructor(
    private readonly bytesMax: number,
    private readonly bytesOf: (result: T) => number,
  ) {}

  /**
   * The result of `make` under this key. One that fails is forgotten. The caller's signal ends its own wait, not the making: others may wait too.
   */
  async get(key: string, signal: AbortSignal, make: () => Promise<T>): Promise<T> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      const made: Entry<T> = { result: make(), bytes: 0 };
      entry = made;
      made.result.then(
        (result) => {
          made.bytes = this.bytesOf(result);
          this.#shrink();
        },
        () => {
          if (this.#entries.get(key) === made) this.#entries.delete(key);
        },
      );
    }
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return unlessAborted(entry.result, signal);
  }

  /** At least the newest stays. */
  #shrink(): void {
    let bytes = [...this.#entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    for (const [key, entry] of this.#entries) {
      if (bytes <= this.bytesMax || this.#entries.size === 1) break;
      if (entry.bytes === 0) continue;
      this.#entries.delete(key);
      bytes -= entry.bytes;
    }
  }
}

async function unlessAborted<T>(result: Promise<T>, signal: AbortSignal): Promise<T> {
  let leave: () => void = () => {};
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(abortReason(signal));
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
