// The native engine's test driver as 64-bit ARM code, with the flags that ship: compiled by a cross compiler and run by an emulator, or directly on such a machine.
// Ends with 77 and a sentence where one of the two is not installed.
import path from 'node:path';
import { buildDriver, fail, run, runs } from './native-driver.mjs';
import { nativeFolder } from './native-sources.mjs';

const SKIPPED = 77;

const here = process.arch === 'arm64';
const compiler = here ? (process.env.CXX ?? 'g++') : (process.env.GOLDDIFF_ARM64_CXX ?? 'aarch64-linux-gnu-g++');
const emulator = ['qemu-aarch64-static', 'qemu-aarch64'].find(runs);
const missing = [
  ...(runs(compiler) ? [] : [here ? 'g++' : 'g++-aarch64-linux-gnu']),
  ...(here || emulator !== undefined ? [] : ['qemu-user-static']),
];
if (missing.length > 0) fail(SKIPPED, `not run: ${missing.join(' and ')} not found (Debian: apt-get install ${missing.join(' ')})`);

// Static: the emulated program finds no libraries of its processor here.
const program = await buildDriver({ compiler, arch: 'arm64', folder: path.join(nativeFolder, 'build/arm64'), linkFlags: here ? [] : ['-static'] });
if (here) run(program, []);
else run(emulator, [program]);
