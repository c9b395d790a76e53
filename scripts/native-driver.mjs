// Compiles the native engine's test driver (shard-worker/native/test) without Node: the engine, and the kernels of one kind of processor.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { instructionGroups, nativeFolder, nativeGroup } from './native-sources.mjs';

const TEST_FILES = [
  'test/kernel_test.cpp',
  'test/engine_test.cpp',
  'test/group_test.cpp',
  'test/memory_test.cpp',
  'test/region_test.cpp',
  'test/relevance_test.cpp',
  'test/word_test.cpp',
  'test/rank_test.cpp',
  'test/failing_new.cpp',
];

/**
 * `arch` as Node names it; `adjust` turns the flags of a shipped file into those of this build; `linkFlags` go to the linker. Objects and the program lie in
 * `folder`. Returns the program's path; ends the process where it does not compile.
 */
export async function buildDriver({ compiler, arch, folder, adjust = (flags) => flags, linkFlags = [] }) {
  mkdirSync(folder, { recursive: true });
  const groups = [...instructionGroups(arch).map(nativeGroup), { files: TEST_FILES, flags: nativeGroup('baseline').flags }];
  const compilations = groups.flatMap(({ files, flags }) =>
    files.map((file) => ({
      object: path.join(folder, `${file.replaceAll('/', '-')}.o`),
      args: [...adjust(flags), '-Iinclude', '-I.', '-c', file],
    })),
  );
  const queue = [...compilations];
  const outcomes = await Promise.all(Array.from({ length: availableParallelism() }, () => compileAll(compiler, queue)));
  if (outcomes.includes(false)) process.exit(1);
  const program = path.join(folder, 'kernel_test');
  run(compiler, [...linkFlags, ...compilations.map(({ object }) => object), '-pthread', '-o', program]);
  return program;
}

async function compileAll(compiler, queue) {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { args, object } = next;
    const status = await new Promise((resolve) =>
      spawn(compiler, [...args, '-o', object], { cwd: nativeFolder, stdio: 'inherit' })
        .on('exit', resolve)
        .on('error', resolve),
    );
    if (status !== 0) return false;
  }
  return true;
}

export function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** In the native folder, its output ours; ends the process where the command fails. */
export function run(command, args, env = {}) {
  const { status, signal, error } = spawnSync(command, args, { cwd: nativeFolder, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) fail(1, `${path.basename(command)} ended with ${error?.message ?? signal ?? status}`);
}

export function fail(status, text) {
  process.stderr.write(`golddiff: ${text}\n`);
  process.exit(status);
}
