/** A file system of its own that is full after a few megabytes: a tmpfs, where this machine lets tests mount one. */

import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './data-sets.js';

export interface SmallDisk {
  readonly dir: string;
  unmount(): void;
}

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
  return {
    dir,
    unmount: () => {
      spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
      mounted.delete(dir);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
