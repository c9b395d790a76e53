/**
 * A watch over a whole bucket that does not end. Two things the library's watch does not give are made with *marks*, entries that the watcher itself writes:
 *
 * - to say when everything written so far was heard: entries come in the order in which they were written, so whoever has heard the mark has heard all before it;
 * - to see that the watch is deaf: its consumer lives on one server and is lost with it, and the library may take long to notice or not notice at all (seen with
 *   three servers). A mark that was taken and is not heard soon has the watch begun anew.
 */

import type { KV, KvWatchEntry } from '@nats-io/kv';
import { asGolddiffError, GolddiffError } from '../../errors.js';
import { NATS_DEAF_MS, NATS_RECONNECT_MS, NATS_REQUEST_TIMEOUT_MS } from '../../limits.js';
import { call } from './session.js';

const MARK_KEY = 'mark';

export class BucketWatch {
  readonly #listeners = new Set<(entry: KvWatchEntry) => void>();
  readonly #waiters = new Set<() => void>();
  #heard = 0;
  /** the oldest mark that was taken and not heard */
  #awaited: { readonly revision: number; readonly takenMs: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #marking = false;
  #stopped = false;
  #end: () => void = () => {};

  constructor(
    private readonly bucket: KV,
    /** between marks */
    private readonly markIntervalMs: number,
    /** something came, if only a mark: the way from the bucket to here is open */
    private readonly onSign: () => void = () => {},
  ) {}

  /** Has a listener told of every entry but the marks, those that were there before the watch began included; maybe of one entry twice. */
  on(listener: (entry: KvWatchEntry) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  start(): void {
    if (this.#timer !== undefined || this.#stopped) return;
    this.#timer = setInterval(() => void this.#check(), this.markIntervalMs);
    this.#timer.unref();
    void this.#run();
  }

  /** Resolves when everything that was written before this call has been heard. @throws CONTROL_PLANE_LOST */
  async catchUp(): Promise<void> {
    this.start();
    const revision = await this.#mark();
    const endMs = performance.now() + NATS_REQUEST_TIMEOUT_MS;
    while (this.#heard < revision && !this.#stopped) {
      const leftMs = endMs - performance.now();
      if (leftMs <= 0) throw new GolddiffError('CONTROL_PLANE_LOST', 'NATS took a write and did not show it within the time of a request');
      await this.#nextEntry(leftMs);
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#end();
    for (const waiter of [...this.#waiters]) waiter();
  }

  async #mark(): Promise<number> {
    const revision = await call('take a mark', () => this.bucket.put(MARK_KEY, ''));
    if (revision > this.#heard) this.#awaited ??= { revision, takenMs: performance.now() };
    return revision;
  }

  async #check(): Promise<void> {
    if (this.#awaited !== undefined && performance.now() - this.#awaited.takenMs > NATS_DEAF_MS) {
      this.#awaited = undefined;
      this.#end();
    }
    if (this.#marking) return;
    this.#marking = true;
    // Where NATS is away there is nothing to hear; the next mark says whether it is back.
    await this.#mark().catch(asGolddiffError);
    this.#marking = false;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      try {
        const entries = await this.bucket.watch();
        this.#end = () => entries.stop();
        if (this.#stopped) entries.stop();
        for await (const entry of entries) this.#take(entry);
      } catch {
        // A server that is away: the next round says whether it is back.
      }
      if (!this.#stopped) await new Promise((resolve) => setTimeout(resolve, NATS_RECONNECT_MS));
    }
  }

  #take(entry: KvWatchEntry): void {
    if (this.#stopped) return;
    this.#heard = Math.max(this.#heard, entry.revision);
    if (this.#awaited !== undefined && this.#awaited.revision <= this.#heard) this.#awaited = undefined;
    this.onSign();
    if (entry.key !== MARK_KEY) for (const listener of [...this.#listeners]) listener(entry);
    for (const waiter of [...this.#waiters]) waiter();
  }

  #nextEntry(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#waiters.add(done);
    });
  }
}
