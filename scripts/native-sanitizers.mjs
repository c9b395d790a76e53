// Builds the native engine with a sanitizer, without Node, and runs its test driver on every instruction set of this machine.
//   node scripts/native-sanitizers.mjs address|undefined|thread
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { instructionGroups, nativeFolder, nativeGroup } from './native-sources.mjs';

const SANITIZERS = ['address', 'undefined', 'thread'];
const TEST_FILES = ['test/kernel_test.cpp', 'test/engine_test.cpp'];

const [sanitizer] = process.argv.slice(2);
if (!SANITIZERS.includes(sanitizer)) fail(2, `Expected one of ${SANITIZERS.join(', ')} for the sanitizer but received ${sanitizer}`);
const compiler = process.env.CXX ?? 'g++';
if (spawnSync(compiler, ['--version']).status !== 0) fail(1, `Expected a C++ compiler but ${compiler} does not run (Debian: apt-get install g++)`);

const folder = path.join(nativeFolder, 'build', sanitizer);
mkdirSync(folder, { recursive: true });
const sanitize = [`-fsanitize=${sanitizer}`, '-fno-omit-frame-pointer', '-g1', ...(sanitizer === 'undefined' ? ['-fno-sanitize-recover=all'] : [])];
const compilations = [...instructionGroups.map(nativeGroup), { files: TEST_FILES, flags: nativeGroup('baseline').flags }].flatMap(
  ({ files, flags }) =>
    files.map((file) => ({
      object: path.join(folder, `${file.replaceAll('/', '-')}.o`),
      // -O1: what the sanitizers ask for, and a third of the time of -O3.
      args: [...flags.filter((flag) => flag !== '-O3'), '-O1', ...sanitize, '-Iinclude', '-I.', '-c', file],
    })),
);

const queue = [...compilations];
const outcomes = await Promise.all(Array.from({ length: availableParallelism() }, compileAll));
if (outcomes.includes(false)) process.exit(1);
const program = path.join(folder, 'kernel_test');
run(compiler, [...sanitize, ...compilations.map(({ object }) => object), '-pthread', '-o', program]);
// The standard library counts references to an exception with atomics that ThreadSanitizer does not see.
const suppressions = path.join(folder, 'suppressions');
writeFileSync(suppressions, 'race:std::__exception_ptr::exception_ptr\n');
run(program, [], {
  ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: `suppressions=${suppressions}`,
});

async function compileAll() {
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

function run(command, args, env = {}) {
  const { status, signal } = spawnSync(command, args, { cwd: nativeFolder, stdio: 'inherit', env: { ...process.env, ...env } });
  if (status !== 0) fail(1, `${path.basename(command)} ended with ${signal ?? status}`);
}

function fail(status, text) {
  process.stderr.write(`golddiff: ${text}\n`);
  process.exit(status);
}
