/**
 * One at a time among all processes that share a cache folder, for moments. Node has no lock of the system's, so: lock/N are symbolic links to the id of whoever took
 * the N-th turn, or to `free`; the highest is in effect. Who finds it free, or its holder dead, makes N + 1, which one of several can; the highest never goes away, so
 * that no late comer makes a turn that is past. A holder that was stopped for long loses its turn to the next: what it may still do then (a second fetch, an eviction) costs time
 * and no bytes, since every file is verified when it is read.
 */

import { mkdir, readdir, readlink, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { CACHE_LOCK_STALE_MS } from '../../limits.js';
import { waited } from '../sources/fetch-file.js';
import { isAlive } from './cache-users.js';

const FREE = 'free';
/** Turns that stay behind the highest, for those who are reading the folder just now. */
const TURNS_KEPT = 8;
const AGAIN_MS = 10;

export class CacheLock {
  readonly #dir: string;
  /** turns of this process, one after the other */
  #last: Promise<unknown> = Promise.resolve();

  /** @param id of a user of this cache */
  constructor(
    private readonly root: string,
    private readonly id: string,
    private readonly staleMs = CACHE_LOCK_STALE_MS,
  ) {
    this.#dir = path.join(root, 'lock');
  }

  /** @throws what the signal was aborted with while it waits; the system's errors */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const turn = this.#last.then(async () => {
      const number = await this.#take(signal);
      try {
        return await work();
      } finally {
        await this.#free(number);
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #take(signal: AbortSignal): Promise<number> {
    await mkdir(this.#dir, { recursive: true });
    let seen = -1;
    let seenMs = 0;
    for (;;) {
      signal.throwIfAborted();
      const highest = await this.#highest();
      if (highest !== seen) [seen, seenMs] = [highest, performance.now()];
      const holder = highest === 0 ? FREE : await readlink(this.#turn(highest)).catch(() => undefined);
      const open = await this.#isOpen(holder, performance.now() - seenMs);
      if (open && (await linked(this.id, this.#turn(highest + 1)))) {
        // It may have been a turn long past, whose link had gone.
        if ((await this.#highest()) === highest + 1) return highest + 1;
        await rm(this.#turn(highest + 1), { force: true });
      } else if (!open) await waited(AGAIN_MS * (0.5 + Math.random()), signal);
    }
  }

  /** Turns of this process wait for each other elsewhere: one that says otherwise could not be freed. */
  async #isOpen(holder: string | undefined, seenForMs: number): Promise<boolean> {
    if (holder === undefined) return false;
    return holder === FREE || holder === this.id || seenForMs > this.staleMs || !(await isAlive(this.root, holder));
  }

  async #free(number: number): Promise<void> {
    // Where somebody took the turn over, it is not ours to free.
    await linked(FREE, this.#turn(number + 1));
    const past = (await this.#numbers()).filter((n) => n < number - TURNS_KEPT);
    await Promise.all(past.map((n) => rm(this.#turn(n), { force: true })));
  }

  #turn(number: number): string {
    return path.join(this.#dir, String(number));
  }

  async #numbers(): Promise<number[]> {
    return (await readdir(this.#dir)).map(Number).filter(Number.isSafeInteger);
  }

  async #highest(): Promise<number> {
    return Math.max(0, ...(await this.#numbers()));
  }
}

/** False where the name is taken. */
async function linked(target: string, name: string): Promise<boolean> {
  try {
    await symlink(target, name);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}
