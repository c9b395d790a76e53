/** Wall time of one who works between things that it waits for. */
export class OwnTime {
  #sinceMs = performance.now();
  #spentMs = 0;

  /** Runs something that is not its own work. */
  async away<T>(other: () => Promise<T>): Promise<T> {
    this.#spentMs += performance.now() - this.#sinceMs;
    try {
      return await other();
    } finally {
      this.#sinceMs = performance.now();
    }
  }

  /** Seconds of own work since the last call. */
  take(): number {
    const now = performance.now();
    const seconds = (this.#spentMs + now - this.#sinceMs) / 1000;
    this.#spentMs = 0;
    this.#sinceMs = now;
    return seconds;
  }
}
