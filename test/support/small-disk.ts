/** A disk of a few megabytes in memory, which can be filled to the last byte. */

import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './data-sets.js';

export interface SmallDisk {
  readonly dir: string;
  /** Leaves so many bytes free, or a block less. */
  fill(leaveBytes: number): void;
  /** Ends what `fill` did. */
  free(): void;
  dispose(): void;
}

const BLOCK_BYTES = 4_096;
const FILLER = '.filler';

/** Why there is none here; undefined where there is. */
export const smallDiskMissing: string | undefined = findMissing();

export function makeSmallDisk(bytes: number): SmallDisk {
  const dir = temporaryFolder();
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'golddiff-test', dir], { stdio: ['ignore', 'ignore', 'pipe'] });
  const filler = path.join(dir, FILLER);
  const dispose = (): void => void spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
  process.once('exit', dispose);
  return {
    dir,
    fill: (leaveBytes) => {
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
    },
    free: () => rmSync(filler, { force: true }),
    dispose,
  };
}

function findMissing(): string | undefined {
  if (process.platform !== 'linux') return 'a disk in memory (tmpfs) is of Linux';
  const dir = temporaryFolder();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'golddiff-test', dir], { stdio: 'ignore' }).status === 0;
  if (!mounted) return 'no small disk can be mounted (needs root, or a container with CAP_SYS_ADMIN)';
  spawnSync('umount', ['-l', dir], { stdio: 'ignore' });
  return undefined;
}
