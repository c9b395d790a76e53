// Builds the native engine with a sanitizer, without Node, and runs its test driver on every instruction set of this machine.
//   node scripts/native-sanitizers.mjs address|undefined|thread
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildDriver, fail, run, runs } from './native-driver.mjs';
import { nativeFolder } from './native-sources.mjs';

const SANITIZERS = ['address', 'undefined', 'thread'];

const [sanitizer] = process.argv.slice(2);
if (!SANITIZERS.includes(sanitizer)) fail(2, `Expected one of ${SANITIZERS.join(', ')} for the sanitizer but received ${sanitizer}`);
const compiler = process.env.CXX ?? 'g++';
if (!runs(compiler)) fail(1, `Expected a C++ compiler but ${compiler} does not run (Debian: apt-get install g++)`);

const folder = path.join(nativeFolder, 'build', sanitizer);
const sanitize = [`-fsanitize=${sanitizer}`, '-fno-omit-frame-pointer', '-g1', ...(sanitizer === 'undefined' ? ['-fno-sanitize-recover=all'] : [])];
const program = await buildDriver({
  compiler,
  arch: process.arch,
  folder,
  // -O1: what the sanitizers ask for, and a third of the time of -O3.
  adjust: (flags) => [...flags.filter((flag) => flag !== '-O3'), '-O1', ...sanitize],
  linkFlags: sanitize,
});
// The standard library counts references to an exception with atomics that ThreadSanitizer does not see.
const suppressions = path.join(folder, 'suppressions');
writeFileSync(suppressions, 'race:std::__exception_ptr::exception_ptr\n');
run(program, [], {
  ASAN_OPTIONS: 'detect_leaks=1:strict_string_checks=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: `suppressions=${suppressions}`,
});
