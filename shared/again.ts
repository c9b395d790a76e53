/** One exchange, made again while what it fails with may pass by itself, until a time is over. */

export interface AgainSettings {
  /** as performance.now() tells it: no try begins after it but one that ends a wait */
  readonly endMs: number;
  readonly everyMs: number;
  /** whether this failure may pass; anything else is thrown at once */
  readonly while: (thrown: unknown) => boolean;
  /** before each wait */
  readonly onWait?: (thrown: unknown) => void;
}

/** @throws what `exchange` threw last */
export async function again<T>(exchange: () => Promise<T>, { endMs, everyMs, while: mayPass, onWait }: AgainSettings): Promise<T> {
  // Told by the wait before it, not by the clock after it: timers fire some milliseconds early where the event loop is late.
  for (let last = false; ;) {
    try {
      return await exchange();
    } catch (thrown) {
      const leftMs = endMs - performance.now();
      if (!mayPass(thrown) || last || leftMs <= 0) throw thrown;
      last = leftMs <= everyMs;
      onWait?.(thrown);
      await new Promise((resolve) => setTimeout(resolve, Math.min(everyMs, leftMs)));
    }
  }
}
