/** What a figure was measured on and by. */

import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem } from 'node:os';
import path from 'node:path';

import { packageRoot } from '../../../shared/package-root.js';

export interface Environment {
  readonly machine: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
  /** with + where the tree has changes */
  readonly commit: string;
  readonly date: string;
  /** folders of this machine as DIR: the record is for others */
  readonly command: string;
  /** of the last minute when the run began: what else the machine did */
  readonly loadAverage: number;
}

export function environment(args: readonly string[]): Environment {
  return {
    machine: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    commit: commit(),
    date: new Date().toISOString().slice(0, 16) + 'Z',
    command: ['golddiff bench engine', ...args.map((arg) => (path.isAbsolute(arg) ? 'DIR' : arg))].join(' '),
    loadAverage: Number(loadavg()[0]!.toFixed(1)),
  };
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: packageRoot, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return git('rev-parse', '--short', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+');
  } catch {
    // A copy without version control has no commit to name.
    return 'unknown';
  }
}
