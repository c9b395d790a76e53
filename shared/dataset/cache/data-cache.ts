/**
 * A folder of fetched files under their checksums, of a limited size, that several workers of one host share. A file is fetched once, by whoever comes first; the others wait
 * for it, unless it stops growing. Files in use are pinned and stay; of the others the longest unused go when room is needed.
 *
 * Nothing here is needed for right answers: a file that is taken away under a reader stays open, and whoever reads one verifies it. What cannot be had both ways is decided for never
 * hanging: a dead process's pins, part files and lock end with it (cache-users.ts, cache-lock.ts), a stopped one's after a while.
 */

import { rename, rm, stat, utimes } from 'node:fs/promises';
import path from 'node:path';
import { argumentError, diskError, GolddiffError, isDiskFull } from '../../errors.js';
import { CACHE_LOOK_MS, CACHE_WAIT_STALL_MS } from '../../limits.js';
import type { Logger } from '../../log.js';
import { waited } from '../sources/fetch-file.js';
import { PartFile } from '../sources/part-file.js';
import {
  dataPath,
  evict,
  evictable,
  makeCacheFolders,
  NOBODY,
  partPath,
  readContents,
  type CacheContents,
  type CachedPart,
} from './cache-contents.js';
import { CacheLock } from './cache-lock.js';
import { CacheUser } from './cache-users.js';

export type CacheOutcome = 'hit' | 'miss' | 'damaged';

export interface DataCacheSettings {
  readonly dir: string;
  readonly bytesMax: number;
  readonly log: Logger;
  /** one for each file that was asked for, and one more for each that was thrown away */
  readonly onOutcome?: (outcome: CacheOutcome) => void;
  /** whenever it was looked at */
  readonly onBytes?: (bytes: number) => void;
  readonly onEvicted?: (files: number) => void;
  readonly waitStallMs?: number;
}

export interface WantedFile {
  /** hex */
  readonly sha256: string;
  readonly bytes: number;
}

export interface CachedFile {
  readonly path: string;
  /** It may go when room is needed. */
  release(): Promise<void>;
  /** It is not what it should be: away with it, unless somebody has replaced it already. Releases it. */
  discard(): Promise<void>;
}

/** Fetches into the part, verified; makeRoom is for a full disk. */
export type Fill = (part: PartFile, makeRoom: (bytes: number) => Promise<boolean>) => Promise<void>;

type Decision = { readonly kind: 'hit'; readonly inode: number } | { readonly kind: 'wait' } | { readonly kind: 'fill'; readonly dir: string };

interface Watch {
  gotBytes: number;
  sinceMs: number;
}

export class DataCache {
  readonly #lock: CacheLock;
  /** uses of each file by this process */
  readonly #uses = new Map<string, number>();
  readonly #filling = new Set<string>();
  #pinning: Promise<void> = Promise.resolve();

  private constructor(
    private readonly settings: DataCacheSettings,
    private readonly user: CacheUser,
  ) {
    this.#lock = new CacheLock(settings.dir, user.id);
  }

  /** @throws ARGUMENT_INVALID for a folder that cannot be used; LIMIT_EXCEEDED for a full disk */
  static async open(settings: DataCacheSettings): Promise<DataCache> {
    const dir = path.resolve(settings.dir);
    try {
      await makeCacheFolders(dir);
      const cache = new DataCache({ ...settings, dir }, await CacheUser.join(dir));
      await cache.#locked(new AbortController().signal, async () => settings.onBytes?.((await readContents(dir)).bytes));
      return cache;
    } catch (thrown) {
      if (thrown instanceof GolddiffError) throw thrown;
      if (isDiskFull(thrown)) throw diskError(dir, thrown);
      throw argumentError('--data-cache', 'a folder on a local disk that this process may write to', `${dir} (${(thrown as Error).message})`);
    }
  }

  /** The name of this process in the folder. */
  get userId(): string {
    return this.user.id;
  }

  /**
   * The file, from the cache or by `fill`; pinned until it is released.
   * @throws LIMIT_EXCEEDED where it has no room beside what is used; what fill throws; the signal's reason
   */
  async take(file: WantedFile, fill: Fill, signal: AbortSignal): Promise<CachedFile> {
    const watch: Watch = { gotBytes: -1, sinceMs: 0 };
    for (;;) {
      const decision = await this.#locked(signal, () => this.#decide(file, watch));
      if (decision.kind === 'hit') {
        this.settings.onOutcome?.('hit');
        return this.#taken(file, decision.inode);
      }
      if (decision.kind === 'fill') {
        this.settings.onOutcome?.('miss');
        return this.#taken(file, await this.#fill(file, decision.dir, fill));
      }
      await waited(CACHE_LOOK_MS, signal);
    }
  }

  /** Nothing of it may be in use any more. */
  async close(): Promise<void> {
    await this.user.leave();
  }

  #taken(file: WantedFile, inode: number): CachedFile {
    const target = dataPath(this.settings.dir, file.sha256);
    let released = false;
    const release = async (): Promise<void> => {
      if (released) return;
      released = true;
      await touch(target);
      await this.#unpin(file.sha256);
    };
    return {
      path: target,
      release,
      discard: async () => {
        this.settings.onOutcome?.('damaged');
        await this.#locked(new AbortController().signal, async () => {
          if ((await stat(target).catch(() => undefined))?.ino === inode) await rm(target, { force: true });
        });
        await release();
      },
    };
  }

  /** Under the lock. A hit and a file to fetch are pinned. */
  async #decide(file: WantedFile, watch: Watch): Promise<Decision> {
    const { dir } = this.settings;
    const { sha256, bytes } = file;
    const found = await stat(dataPath(dir, sha256)).catch(() => undefined);
    if (found?.size === bytes) {
      await this.#pin(sha256);
      await touch(dataPath(dir, sha256));
      return { kind: 'hit', inode: found.ino };
    }
    if (found !== undefined) await rm(dataPath(dir, sha256), { force: true });
    if (this.#filling.has(sha256)) return { kind: 'wait' };
    const contents = await readContents(dir);
    const parts = contents.parts.filter((part) => part.sha256 === sha256 && part.bytes === bytes);
    const fetching = parts.filter((part) => part.ownerLives && part.owner !== this.user.id);
    if (fetching.length > 0 && !this.#hasStalled(fetching, watch)) return { kind: 'wait' };
    // What a dead or failed fetch left, or one of ours.
    const left = parts.filter((part) => !part.ownerLives || part.owner === this.user.id).sort((a, b) => b.gotBytes - a.gotBytes)[0];
    await this.#makeRoom(contents, file, left);
    const target = partPath(dir, sha256, bytes, this.user.id);
    if (left !== undefined && left.dir !== target) {
      await rm(target, { recursive: true, force: true });
      await rename(left.dir, target);
    }
    await this.#pin(sha256);
    this.#filling.add(sha256);
    return { kind: 'fill', dir: target };
  }

  #hasStalled(parts: readonly CachedPart[], watch: Watch): boolean {
    const gotBytes = parts.reduce((sum, part) => sum + part.gotBytes, 0);
    const now = performance.now();
    if (gotBytes !== watch.gotBytes) Object.assign(watch, { gotBytes, sinceMs: now });
    return now - watch.sinceMs > (this.settings.waitStallMs ?? CACHE_WAIT_STALL_MS);
  }

  async #makeRoom(contents: CacheContents, { bytes }: WantedFile, left: CachedPart | undefined): Promise<void> {
    const { dir, bytesMax, onBytes } = this.settings;
    // A part of ours counts as the whole already.
    const grows = left === undefined ? bytes : left.ownerLives ? 0 : bytes - left.gotBytes;
    const over = contents.bytes + grows - bytesMax;
    const unused = evictable(contents).reduce((sum, entry) => sum + (entry.path === left?.dir ? 0 : entry.bytes), 0);
    if (unused < over) {
      throw new GolddiffError(
        'LIMIT_EXCEEDED',
        `The data cache ${dir} has no room for a file of ${bytes} bytes: of its ${bytesMax} bytes (--data-cache-bytes) ${contents.bytes - unused} are in use on this machine`,
      );
    }
    const gone = await evict(contents, over, left?.dir);
    this.#told(gone.files);
    onBytes?.(contents.bytes - gone.bytes + grows);
  }

  /** Gives the inode of the file, which stays pinned. */
  async #fill(file: WantedFile, dir: string, fill: Fill): Promise<number> {
    const { sha256 } = file;
    const never = new AbortController().signal;
    try {
      const part = await PartFile.open(dir);
      let keep = true;
      try {
        await fill(part, (bytes) => this.#makeRoomOnDisk(bytes));
      } catch (thrown) {
        // What fills the disk and does not fit goes as a whole.
        keep = !(thrown instanceof GolddiffError && isDiskFull(thrown.cause));
        throw thrown;
      } finally {
        await part.close();
        if (!keep) await rm(dir, { recursive: true, force: true });
      }
      return await this.#locked(never, async () => {
        const target = dataPath(this.settings.dir, sha256);
        await rename(PartFile.fileIn(dir), target);
        await rm(dir, { recursive: true, force: true });
        return (await stat(target)).ino;
      });
    } catch (thrown) {
      // For whoever tries it next, here or in another process.
      await rename(dir, partPath(this.settings.dir, sha256, file.bytes, NOBODY)).catch(() => rm(dir, { recursive: true, force: true }));
      await this.#unpin(sha256);
      throw thrown;
    } finally {
      this.#filling.delete(sha256);
    }
  }

  /** The disk has less room than the limit allows. */
  async #makeRoomOnDisk(bytes: number): Promise<boolean> {
    return this.#locked(new AbortController().signal, async () => {
      const contents = await readContents(this.settings.dir);
      const gone = await evict(contents, bytes);
      this.#told(gone.files);
      this.settings.onBytes?.(contents.bytes - gone.bytes);
      return gone.bytes > 0;
    });
  }

  #told(files: number): void {
    if (files === 0) return;
    this.settings.onEvicted?.(files);
    this.settings.log.info({ files }, 'files that nobody uses were taken out of the data cache');
  }

  #pin(sha256: string): Promise<void> {
    return this.#pinned(sha256, 1);
  }

  #unpin(sha256: string): Promise<void> {
    return this.#pinned(sha256, -1);
  }

  /** In the order of the calls. A pin that a full disk refuses is no loss but of time: the file may go and be fetched again. */
  #pinned(sha256: string, change: 1 | -1): Promise<void> {
    const before = this.#uses.get(sha256) ?? 0;
    const now = before + change;
    if (now === 0) this.#uses.delete(sha256);
    else this.#uses.set(sha256, now);
    if (before > 0 && now > 0) return this.#pinning;
    return (this.#pinning = this.#pinning.then(() => (now === 0 ? this.user.unpin(sha256) : this.user.pin(sha256))).catch(() => {}));
  }

  async #locked<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#lock.run(work, signal);
    } catch (thrown) {
      if (signal.aborted) throw signal.reason;
      throw diskError(this.settings.dir, thrown);
    }
  }
}

/** Of this process; in ms. */
let lastTouchMs = 0;

/**
 * Now is when it was used last. Later than the touch before by some microseconds, which is as fine as times of files are set:
 * a clock of milliseconds gives no order to files released in one.
 */
async function touch(file: string): Promise<void> {
  lastTouchMs = Math.max(Date.now(), lastTouchMs + 0.005);
  await utimes(file, lastTouchMs / 1e3, lastTouchMs / 1e3).catch(() => {});
}
