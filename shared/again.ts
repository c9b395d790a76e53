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
  for (;;) {
    try {
      return await exchange();
    } catch (thrown) {
      const leftMs = endMs - performance.now();
      if (!mayPass(thrown) || leftMs <= 0) throw thrown;
      onWait?.(thrown);
      await new Promise((resolve) => setTimeout(resolve, Math.min(everyMs, leftMs)));
    }
  }
}
