/**
 * What lies in a cache folder: data/SHA256 (verified files), part/SHA256.BYTES.OWNER (files that are being fetched, or were: see part-file.ts), home/DATA_SET/... (what is derived
 * from data sets: indexes, a covariance). And which of it may go: never what a live process uses, the longest unused first.
 */

import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PartFile } from '../sources/part-file.js';
import { liveUsers } from './cache-users.js';

/** Owner of a part that its fetcher has given up for now. */
export const NOBODY = 'nobody';

export interface CachedData {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly usedMs: number;
}

export interface CachedPart {
  readonly dir: string;
  readonly sha256: string;
  /** of the whole file */
  readonly bytes: number;
  /** there now */
  readonly gotBytes: number;
  readonly owner: string;
  readonly ownerLives: boolean;
  readonly usedMs: number;
}

export interface CacheContents {
  readonly data: readonly CachedData[];
  readonly parts: readonly CachedPart[];
  /** files under home/ */
  readonly derived: readonly { readonly path: string; readonly bytes: number; readonly usedMs: number }[];
  /** checksums of files that a live process uses */
  readonly used: ReadonlySet<string>;
  /** files, and the whole of what is being fetched */
  readonly bytes: number;
}

export function dataFolder(root: string): string {
  return path.join(root, 'data');
}

export function dataPath(root: string, sha256: string): string {
  return path.join(dataFolder(root), sha256);
}

export function partFolder(root: string): string {
  return path.join(root, 'part');
}

export function partPath(root: string, sha256: string, bytes: number, owner: string): string {
  return path.join(partFolder(root), `${sha256}.${bytes}.${owner}`);
}

export function homeFolder(root: string): string {
  return path.join(root, 'home');
}

/** What tells a cache from a folder that somebody named by mistake, and backup programs to pass it over (Cache Directory Tagging Specification). */
const TAG_FILE = 'CACHEDIR.TAG';
const TAG =
  'Signature: 8a477f597d28d172789f06886806bc55\n# This folder is a data cache of golddiff: whatever lies in it may be deleted at any time.\n';

/** @throws the system's errors; a plain Error for a folder that holds something else */
export async function makeCacheFolders(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o700 });
  const names = await readdir(root);
  if (names.length === 0) await writeFile(path.join(root, TAG_FILE), TAG);
  else if (!names.includes(TAG_FILE)) throw new Error('it is not empty and not a cache');
  for (const folder of [dataFolder(root), partFolder(root), homeFolder(root)]) await mkdir(folder, { recursive: true, mode: 0o700 });
}

/** Under the cache's lock: what dead processes left in users/ goes, and parts of theirs with nothing in them. */
export async function readContents(root: string): Promise<CacheContents> {
  const users = await liveUsers(root);
  const names = (await readdir(dataFolder(root))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const data = await present(names, async (sha256) => {
    const file = dataPath(root, sha256);
    const { size, mtimeMs } = await stat(file);
    return { path: file, sha256, bytes: size, usedMs: mtimeMs };
  });
  const parts = await present(await readdir(partFolder(root)), async (name) => {
    const [sha256 = '', bytes = '', owner = ''] = name.split('.');
    const dir = path.join(partFolder(root), name);
    const found = await stat(PartFile.fileIn(dir)).catch(() => stat(dir).then(({ mtimeMs }) => ({ size: 0, mtimeMs })));
    if (found.size === 0 && !users.has(owner)) return void (await rm(dir, { recursive: true, force: true }));
    return { dir, sha256, bytes: Number(bytes), gotBytes: found.size, owner, ownerLives: users.has(owner), usedMs: found.mtimeMs };
  });
  const home = homeFolder(root);
  const derived = await present(await readdir(home, { recursive: true }), async (name) => {
    const file = path.join(home, name);
    const found = await stat(file);
    return found.isFile() ? { path: file, bytes: found.size, usedMs: found.mtimeMs } : undefined;
  });
  const partBytes = parts.map((part) => (part.ownerLives ? Math.max(part.bytes, part.gotBytes) : part.gotBytes));
  const bytes = [...data, ...derived].reduce((sum, file) => sum + file.bytes, 0) + partBytes.reduce((sum, n) => sum + n, 0);
  return { data, parts, derived, used: new Set([...users.values()].flatMap((names) => [...names])), bytes };
}

/** What may go, the longest unused first. */
export function evictable(contents: CacheContents): { readonly path: string; readonly bytes: number; readonly usedMs: number }[] {
  const data = contents.data.filter(({ sha256 }) => !contents.used.has(sha256));
  const parts = contents.parts.filter(({ ownerLives }) => !ownerLives);
  return [...data, ...contents.derived, ...parts.map(({ dir, gotBytes, usedMs }) => ({ path: dir, bytes: gotBytes, usedMs }))].sort(
    (a, b) => a.usedMs - b.usedMs,
  );
}

/**
 * Takes away the longest unused until that much is gone. Gives the bytes and files that went.
 * @param keep path of something that stays
 */
export async function evict(contents: CacheContents, bytes: number, keep?: string): Promise<{ readonly bytes: number; readonly files: number }> {
  let gone = 0;
  let files = 0;
  for (const entry of evictable(contents)) {
    if (gone >= bytes) break;
    if (entry.path === keep) continue;
    await rm(entry.path, { recursive: true, force: true });
    gone += entry.bytes;
    files++;
  }
  return { bytes: gone, files };
}

/** What went away between the two calls is not there. */
async function present<T>(names: readonly string[], look: (name: string) => Promise<T | undefined>): Promise<T[]> {
  const found: T[] = [];
  await Promise.all(
    names.map(async (name) => {
      try {
        const entry = await look(name);
        if (entry !== undefined) found.push(entry);
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
      }
    }),
  );
  return found;
}
