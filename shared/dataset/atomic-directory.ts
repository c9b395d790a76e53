/**
 * A folder that appears whole or not at all. It is filled as a hidden sibling `.NAME.partial-PID` and renamed. An error or an exit removes the
 * sibling; one that a killed process left is offered to the next writer of the same folder, and removed if it does not take it over.
 *
 * Replacing has two renames, since Node has no exchange: the old folder is first moved to `.NAME.replaced-PID`. A writer that finds one of a dead
 * process without the new folder beside it moves it back.
 */

import { rmSync } from 'node:fs';
import { lstat, mkdir, open, readdir, rename, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { expectation, GolddiffError } from '../errors.js';

export interface AtomicDirectoryOptions {
  /** Replace what is there, unless `whyKeep` gives a reason. */
  readonly force: boolean;
  /** Answers why a folder that exists must not be replaced; undefined = it may be. */
  readonly whyKeep: (dir: string) => Promise<string | undefined>;
  /** Asked for every folder that a dead writer left; true = go on with it. */
  readonly adopt: (dir: string) => Promise<boolean>;
}

export interface AtomicDirectory {
  /** where to write */
  readonly dir: string;
  readonly adopted: boolean;
  /** Makes the folder appear under its name, durably. */
  commit(): Promise<void>;
  /** Removes everything that was written. Idempotent, nothing after commit. */
  abort(): Promise<void>;
}

/** Folders that this process fills now: its own pid is alive, yet in a container a restarted process has the same pid as the dead one. */
const active = new Set<string>();
/** The same and those about to be: nobody else in this process may start one. */
const reserved = new Set<string>();

process.on('exit', () => {
  for (const dir of active) rmSync(dir, { recursive: true, force: true });
});

/** Starts a folder. Throws ALREADY_EXISTS where `out` is there and must stay. */
export async function beginDirectory(out: string, options: AtomicDirectoryOptions): Promise<AtomicDirectory> {
  const target = path.resolve(out);
  const parent = path.dirname(target);
  const prefix = `.${path.basename(target)}`;
  const dir = path.join(parent, `${prefix}.partial-${process.pid}`);
  if (reserved.has(dir)) {
    throw new GolddiffError('ALREADY_EXISTS', expectation(out, 'a folder that nothing is writing', 'one that this process is filling'));
  }
  reserved.add(dir);
  try {
    return await prepare({ shown: out, target, parent, prefix, dir }, options);
  } catch (thrown) {
    reserved.delete(dir);
    throw thrown;
  }
}

interface Place {
  /** as the caller named it */
  readonly shown: string;
  readonly target: string;
  readonly parent: string;
  readonly prefix: string;
  readonly dir: string;
}

async function prepare({ shown: out, target, parent, prefix, dir }: Place, options: AtomicDirectoryOptions): Promise<AtomicDirectory> {
  const firstMade = await mkdir(parent, { recursive: true });
  await restoreReplaced(parent, prefix, target);
  await refuseExisting(out, target, options);

  let adopted = false;
  for (const stale of await staleSiblings(parent, `${prefix}.partial-`)) {
    if (!adopted && (await options.adopt(stale))) {
      if (stale !== dir) await rename(stale, dir);
      adopted = true;
    } else {
      await rm(stale, { recursive: true, force: true });
    }
  }
  if (!adopted) await mkdir(dir);
  active.add(dir);
  return {
    dir,
    adopted,
    commit: async () => {
      await syncDirectory(dir);
      // Again, and now as the last thing before the rename: something may have come to lie there meanwhile.
      await refuseExisting(out, target, options);
      const replaced = path.join(parent, `${prefix}.replaced-${process.pid}`);
      const replaces = await exists(target);
      if (replaces) await rename(target, replaced);
      await rename(dir, target);
      active.delete(dir);
      reserved.delete(dir);
      await syncDirectory(parent);
      if (replaces) await rm(replaced, { recursive: true, force: true });
    },
    abort: async () => {
      if (!active.has(dir)) return;
      await rm(dir, { recursive: true, force: true });
      active.delete(dir);
      reserved.delete(dir);
      if (firstMade !== undefined) await removeEmptyUpTo(parent, firstMade);
    },
  };
}

async function refuseExisting(shown: string, target: string, options: AtomicDirectoryOptions): Promise<void> {
  if (!(await exists(target))) return;
  if (!options.force) throw new GolddiffError('ALREADY_EXISTS', expectation(shown, 'a path where nothing is yet, or --force', 'one that exists'));
  const reason = await options.whyKeep(target);
  if (reason !== undefined)
    throw new GolddiffError('ALREADY_EXISTS', expectation(shown, 'a data set and nothing else, to replace it by force', reason));
}

async function staleSiblings(parent: string, prefix: string): Promise<string[]> {
  const names = await readdir(parent);
  const stale = names.filter((name) => {
    if (!name.startsWith(prefix)) return false;
    const pid = Number(name.slice(prefix.length));
    return Number.isSafeInteger(pid) && pid > 0 && !active.has(path.join(parent, name)) && (pid === process.pid || !isAlive(pid));
  });
  return stale.map((name) => path.join(parent, name));
}

async function restoreReplaced(parent: string, prefix: string, target: string): Promise<void> {
  for (const replaced of await staleSiblings(parent, `${prefix}.replaced-`)) {
    if (await exists(target)) await rm(replaced, { recursive: true, force: true });
    else await rename(replaced, target);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function exists(target: string): Promise<boolean> {
  return lstat(target).then(
    () => true,
    () => false,
  );
}

/** Makes names in a folder durable. */
export async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function removeEmptyUpTo(from: string, top: string): Promise<void> {
  for (let dir = from; dir.startsWith(top); dir = path.dirname(dir)) {
    const removed = await rmdir(dir).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}
