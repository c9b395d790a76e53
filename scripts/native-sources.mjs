// What the native engine is built from, once for binding.gyp and the sanitizer builds: files by instruction set, and their flags.
//   node scripts/native-sources.mjs files|flags GROUP      prints one a line, as binding.gyp reads them
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './stamps.mjs';

export const nativeFolder = path.join(root, 'shard-worker/native');

/** No contraction: a product and a sum round the same way wherever they stand, unless a kernel says fma. */
const COMMON_FLAGS = ['-std=c++17', '-O3', '-ffp-contract=off', '-fvisibility=hidden', '-fno-math-errno', '-Wall', '-Wextra'];

/** Code of one instruction set never shares a file with another's: the compiler may use what it is allowed to anywhere in a file. */
const GROUPS = {
  baseline: {
    files: [
      'kernels/dot_scalar.cpp',
      'kernels/real_scalar.cpp',
      'kernels/statistics.cpp',
      'engine/thread_pool.cpp',
      'engine/partition.cpp',
      'engine/step.cpp',
      'engine/selection.cpp',
      'engine/random.cpp',
    ],
    flags: [],
  },
  avx2: { files: ['kernels/dot_avx2.cpp', 'kernels/real_avx2.cpp'], flags: ['-mavx2', '-mfma'] },
  avx512: {
    files: ['kernels/dot_avx512.cpp', 'kernels/real_avx512.cpp'],
    flags: ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni'],
  },
  addon: { files: ['addon/addon.cpp'], flags: [] },
};

/** Files from the native folder's root, and all flags, of one group. Other processors than x86-64 build the baseline alone. */
export function nativeGroup(name) {
  const { files, flags } = GROUPS[name];
  return { files, flags: [...COMMON_FLAGS, ...flags] };
}

export const instructionGroups = process.arch === 'x64' ? ['baseline', 'avx2', 'avx512'] : ['baseline'];

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, group] = process.argv.slice(2);
  const missing = nativeGroup(group).files.find((file) => !existsSync(path.join(nativeFolder, file)));
  if (missing !== undefined) throw new Error(`Expected ${missing} in ${nativeFolder}`);
  process.stdout.write(`${nativeGroup(group)[what].join('\n')}\n`);
}
