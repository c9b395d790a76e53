/** The Dockerfile of the images: read into stages, and its build stage played in a scratch folder, instruction by instruction. */

import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../shared/package-root.js';

export interface Instruction {
  readonly word: string;
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  /** as written, arguments filled in */
  readonly base: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  readonly stages: ReadonlyMap<string, Stage>;
}

const STEP_TIMEOUT_MS = 280_000;

export function readDockerfile(file = path.join(packageRoot, 'deploy/docker/Dockerfile')): Dockerfile {
  const lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => !/^\s*#/.test(line))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const args: Record<string, string> = {};
  const stages = new Map<string, Stage>();
  let open: Instruction[] | undefined;
  for (const line of lines) {
    const [, word = '', rest = ''] = /^(\w+)\s+(.*)$/.exec(line) ?? [];
    if (word === 'FROM') {
      const [, base = '', name = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? [];
      if (name === '') throw new Error(`Expected FROM IMAGE AS NAME but received ${line}`);
      open = [];
      stages.set(name, { name, base: base.replaceAll(/\$\{(\w+)\}/g, (_, arg: string) => args[arg] ?? ''), instructions: open });
    } else if (open === undefined) {
      const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(rest) ?? [];
      args[name] = value;
    } else open.push({ word, rest });
  }
  return { stages };
}

/** Instructions of a stage and, before them, of those that it is made from. */
export function inherited(dockerfile: Dockerfile, name: string): Instruction[] {
  const stage = dockerfile.stages.get(name);
  return stage === undefined ? [] : [...inherited(dockerfile, stage.base), ...stage.instructions];
}

export interface ImageConfig {
  readonly entrypoint: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly healthcheck: readonly string[] | undefined;
}

export function imageConfig(dockerfile: Dockerfile, target: string): ImageConfig {
  const instructions = inherited(dockerfile, target);
  const last = (word: string): string | undefined => instructions.findLast((each) => each.word === word)?.rest;
  const pairs = (word: string): Record<string, string> =>
    Object.fromEntries(
      instructions
        .filter((each) => each.word === word)
        .flatMap(({ rest }) => [...rest.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)].map(([, key, quoted, plain]) => [key!, quoted ?? plain!])),
    );
  const health = last('HEALTHCHECK');
  return {
    entrypoint: JSON.parse(last('ENTRYPOINT') ?? '[]') as string[],
    environment: pairs('ENV'),
    user: last('USER') ?? 'root',
    labels: pairs('LABEL'),
    healthcheck: health === undefined ? undefined : (JSON.parse(/CMD (\[.*\])$/.exec(health)?.[1] ?? '[]') as string[]),
  };
}

/** Files of the build context: what git has or would have, without what .dockerignore leaves out. */
function contextFiles(): string[] {
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: packageRoot, encoding: 'utf8' });
  const ignored = readFileSync(path.join(packageRoot, '.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#') && !line.includes('*'));
  return listed
    .split('\0')
    .filter(
      (file) => file !== '' && existsSync(path.join(packageRoot, file)) && !ignored.some((each) => file === each || file.startsWith(`${each}/`)),
    );
}

/**
 * Plays the stage `build`: COPY from the context into SCRATCH/src, RUN there, with /images as SCRATCH/images. The native engine is taken from this tree where it is built, as from a layer that is
 * kept: the same script built it, half a minute of compiling, and the step still refuses an image without one.
 */
export async function playBuild(dockerfile: Dockerfile, scratch: string, onStep: (step: string, seconds: number) => void): Promise<string> {
  const source = path.join(scratch, 'src');
  const images = path.join(scratch, 'images');
  mkdirSync(source, { recursive: true });
  const context = contextFiles();
  const kept = 'shard-worker/native/build';
  for (const { word, rest } of dockerfile.stages.get('build')!.instructions) {
    if (word === 'WORKDIR') continue;
    if (word === 'COPY') {
      const [target = '', ...froms] = rest.split(/\s+/).reverse();
      for (const from of froms) {
        const files = from === '.' ? context : context.filter((file) => file === from || file.startsWith(`${from}/`));
        if (files.length === 0) throw new Error(`COPY ${from}: nothing of that name in the context`);
        for (const file of files) {
          const to = path.join(
            source,
            statSync(path.join(packageRoot, from)).isDirectory()
              ? file
              : path.join(target.endsWith('/') ? target : path.dirname(target), path.basename(file)),
          );
          cpSync(path.join(packageRoot, file), to, { preserveTimestamps: true, verbatimSymlinks: true });
        }
      }
      if (existsSync(path.join(packageRoot, kept)) && existsSync(path.join(source, path.dirname(kept))) && !existsSync(path.join(source, kept)))
        cpSync(path.join(packageRoot, kept), path.join(source, kept), { recursive: true, preserveTimestamps: true });
    } else if (word === 'RUN') {
      const startedMs = performance.now();
      const [script = '', ...args] = rest.split(/\s+/).map((each) => each.replace(/^\/images\b/, images));
      const env = existsSync(path.join(packageRoot, kept, 'Release')) ? { ...process.env, GOLDDIFF_SKIP_NATIVE: '1' } : process.env;
      await promisify(execFile)(path.join(source, script), args, { cwd: source, env, timeout: STEP_TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 });
      onStep(rest, (performance.now() - startedMs) / 1000);
    } else throw new Error(`Expected WORKDIR, COPY or RUN in the build stage but received ${word}`);
  }
  return images;
}

export function stepScripts(): string[] {
  return readdirSync(path.join(packageRoot, 'deploy/docker/steps')).map((file) => path.join('deploy/docker/steps', file));
}
