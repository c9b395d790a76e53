/** Listeners by key, told in a microtask of their own: a listener that throws or changes the state cannot upset the change that it hears of. */
export class Watchers<T> {
  readonly #byKey = new Map<string, Set<(value: T) => void>>();

  /** Gives the function that ends the watch. */
  add(key: string, listener: (value: T) => void): () => void {
    // Wrapped, so that the same function added twice counts twice.
    const entry = (value: T): void => listener(value);
    const set = this.#byKey.get(key) ?? new Set();
    this.#byKey.set(key, set.add(entry));
    return () => {
      set.delete(entry);
      if (set.size === 0 && this.#byKey.get(key) === set) this.#byKey.delete(key);
    };
  }

  tell(key: string, value: T): void {
    for (const entry of this.#byKey.get(key) ?? [])
      queueMicrotask(() => {
        if (this.#byKey.get(key)?.has(entry) === true) entry(value);
      });
  }

  clear(): void {
    this.#byKey.clear();
  }
}
