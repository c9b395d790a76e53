/**
 * Who takes part in a run: the engine, the rivals that this machine has, and the floors. A rival that is missing is named with what would install it.
 */

import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { packageRoot } from '../../../shared/package-root.js';
import { asGolddiffError } from '../../../shared/errors.js';
import { Floors } from './floors.js';
import { LineProcess, type LineProcessSettings } from './line-process.js';
import type { MeasuredBackend } from './open-backend.js';
import type { DescribeReply } from './requests.js';

export type RivalKind = 'numpy' | 'torch' | 'faiss' | 'tfjs';

export interface ContestantSettings {
  readonly backend: MeasuredBackend;
  readonly threads: number;
  /** for what has to be built or installed */
  readonly folder: string;
  /** may install what is missing */
  readonly install: boolean;
  /** folder that has TensorFlow.js in its node_modules */
  readonly tfjs?: string;
  /** rivals wanted */
  readonly rivals: readonly RivalKind[];
}

export interface Rival {
  readonly kind: RivalKind;
  readonly process: LineProcess;
  /** for the JSON line: versions, threads, BLAS */
  readonly about: DescribeReply;
}

export interface Contestants {
  readonly engine: LineProcess;
  readonly rivals: readonly Rival[];
  readonly floors: Floors | undefined;
  readonly notes: readonly string[];
  stop(): Promise<void>;
}

const DEBIAN_PACKAGES: Readonly<Record<Exclude<RivalKind, 'tfjs'>, readonly string[]>> = {
  numpy: ['python3-numpy', 'libopenblas0-pthread'],
  torch: ['python3-torch', 'libopenblas0-pthread'],
  faiss: ['python3-faiss'],
};
const TFJS_PACKAGES = ['@tensorflow/tfjs-core@4.22.0', '@tensorflow/tfjs-backend-wasm@4.22.0', '@tensorflow/tfjs-backend-cpu@4.22.0'];
/** The system's Python has Debian's libraries; another one on the path may bring a newer BLAS, and the best one counts. */
const PYTHONS = ['/usr/bin/python3', 'python3'] as const;
const INSTALL_TIMEOUT_MS = 600_000;

const peer = (file: string): string => path.join(packageRoot, 'test', 'bench', 'peers', file);

export async function startContestants(settings: ContestantSettings): Promise<Contestants> {
  const notes: string[] = [];
  const program = fileURLToPath(new URL('./engine-process.js', import.meta.url));
  const engine = new LineProcess({ name: settings.backend, command: process.execPath, args: [program, settings.backend, String(settings.threads)] });
  const started: LineProcess[] = [engine];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((one) => one.stop()));
  };
  try {
    await engine.request<DescribeReply>({ op: 'describe' });
    const rivals: Rival[] = [];
    for (const kind of settings.rivals) {
      const found = await startKind(kind, settings);
      rivals.push(...found);
      started.push(...found.map((rival) => rival.process));
      if (found.length === 0) notes.push(missing(kind));
      if ((kind === 'numpy' || kind === 'torch') && found.length > 0 && !found.some((rival) => isFastBlas(rival.about)))
        notes.push(`${kind} runs without OpenBLAS here: apt-get install libopenblas0-pthread, or --install`);
    }
    const floors = await Floors.start(settings.folder, settings.threads);
    if (floors === undefined) notes.push('floors are unknown: install g++');
    else started.push(floors.process);
    return { engine, rivals, floors, notes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

export function missing(kind: RivalKind): string {
  if (kind === 'tfjs') return 'tfjs (wasm) is left out: --install puts it into a temporary folder, or name a folder that has it with --tfjs';
  return `${kind} is left out: apt-get install ${DEBIAN_PACKAGES[kind].join(' ')}, or --install`;
}

function isFastBlas({ blas }: DescribeReply): boolean {
  return blas === undefined || blas.some((name) => /openblas|mkl/i.test(name));
}

async function startKind(kind: RivalKind, settings: ContestantSettings): Promise<Rival[]> {
  if (kind === 'tfjs') return startTfjs(settings);
  const found = await startPythons(kind, settings.threads);
  if ((found.length > 0 && found.some((rival) => isFastBlas(rival.about))) || !settings.install) return found;
  await Promise.all(found.map((rival) => rival.process.stop()));
  installDebian(DEBIAN_PACKAGES[kind]);
  return startPythons(kind, settings.threads);
}

/** The same library in the same version is measured once. */
async function startPythons(kind: Exclude<RivalKind, 'tfjs'>, threads: number): Promise<Rival[]> {
  const rivals: Rival[] = [];
  for (const python of PYTHONS) {
    const rival = await tryStart(kind, { name: kind, command: python, args: [peer('peer.py'), kind, String(threads)] });
    if (rival === undefined) continue;
    if (rivals.some(({ about }) => about.version === rival.about.version)) await rival.process.stop();
    else rivals.push(rival);
  }
  return rivals;
}

async function startTfjs({ folder, install, tfjs }: ContestantSettings): Promise<Rival[]> {
  const place = path.resolve(tfjs ?? path.join(folder, 'tfjs'));
  if (!existsSync(path.join(place, 'node_modules', '@tensorflow')) && install) {
    await mkdir(place, { recursive: true });
    await writeFile(path.join(place, 'package.json'), '{ "private": true }\n');
    const args = ['install', '--no-audit', '--no-fund', '--loglevel=error', ...TFJS_PACKAGES];
    await promisify(execFile)('npm', args, { cwd: place, timeout: INSTALL_TIMEOUT_MS }).catch((error: unknown) => {
      process.stderr.write(`npm install failed: ${asGolddiffError(error).message}\n`);
    });
  }
  const rival = await tryStart('tfjs', { name: 'tfjs', command: process.execPath, args: [peer('tfjs-peer.mjs'), place] });
  return rival === undefined ? [] : [rival];
}

async function tryStart(kind: RivalKind, settings: LineProcessSettings): Promise<Rival | undefined> {
  const child = new LineProcess(settings);
  try {
    const { library, version, threads, blas } = await child.request<DescribeReply>({ op: 'describe' });
    const about: DescribeReply = { library, version, threads, ...(blas && { blas }) };
    return { kind, process: child.named(`${library} ${version ?? ''}`.trim()), about };
  } catch {
    await child.stop();
    return undefined;
  }
}

function installDebian(packages: readonly string[]): void {
  try {
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', ...packages], { stdio: 'ignore', timeout: INSTALL_TIMEOUT_MS });
  } catch (error) {
    process.stderr.write(`apt-get install ${packages.join(' ')} failed: ${asGolddiffError(error).message}\n`);
  }
}

/** Threads that a run takes where none are named: all. */
export function threadsDefault(): number {
  return availableParallelism();
}
