/** A file system of its own that is full after a few megabytes: a tmpfs, where this machine lets tests mount one. */

import { spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './data-sets.js';

export interface SmallDisk {
  readonly dir: string;
  /** Leaves so many bytes free, or a block less. */
  readonly fill: (leaveBytes: number) => void;
  /** Ends what `fill` did. */
  readonly free: () => void;
  unmount(): void;
}

/** In the folder while it is filled. */
export const FILLER = '.filler';
const BLOCK_BYTES = 4_096;

const mounted = new Set<string>();
process.on('exit', () => mounted.forEach((dir) => spawnSync('umount', ['-l', dir], { stdio: 'ignore' })));

/** A sentence that says why there is none, where there is none. */
export function mountSmallDisk(bytes: number): SmallDisk | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'mounting a small disk takes root on Linux';
  const dir = path.join(temporaryFolder(), 'disk');
  spawnSync('mkdir', ['-p', dir]);
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', dir], { encoding: 'utf8' });
  if (status !== 0) return `a small disk could not be mounted: ${stderr.trim()}`;
  mounted.add(dir);
  const filler = path.join(dir, FILLER);
  return {
    dir,
    fill: (leaveBytes) => fillDisk(filler, leaveBytes),
    free: () => rmSync(filler, { force: true }),
    unmount: () => {
      spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
      mounted.delete(dir);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Why there is none here; undefined where there is. */
export function smallDiskMissing(): string | undefined {
  const tried = mountSmallDisk(64 * 1024);
  if (typeof tried === 'string') return tried;
  tried.unmount();
  return undefined;
}

function fillDisk(filler: string, leaveBytes: number): void {
  const reserve = `${filler}-reserve`;
  const left = openSync(reserve, 'w');
  writeSync(left, Buffer.alloc(leaveBytes));
  closeSync(left);
  const file = openSync(filler, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(BLOCK_BYTES, 1));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
  } finally {
    closeSync(file);
    rmSync(reserve);
  }
}
