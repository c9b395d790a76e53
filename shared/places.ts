/** A number of places for work that runs at once; the rest waits in order. */
export class Places {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** @param count >= 1 */
  constructor(count: number) {
    this.#free = count;
  }

  /** Runs the work in a place of its own. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
