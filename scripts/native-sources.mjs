// What the native engine is built from, once for binding.gyp and the sanitizer builds: files by instruction set, and their flags.
//   node scripts/native-sources.mjs files|flags GROUP      prints one a line, as binding.gyp reads them
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './stamps.mjs';

export const nativeFolder = path.join(root, 'shard-worker/native');

const COMMON_FLAGS = ['-std=c++17', '-O3', '-fvisibility=hidden', '-fno-math-errno', '-Wall', '-Wextra', '-Wno-psabi'];
/** What the engine itself rounds is the same on every machine; the kernels of an instruction set use its fused multiply-add. */
const EXACT = ['-ffp-contract=off'];
const FUSED = ['-ffp-contract=fast'];

/** Code of one instruction set never shares a file with another's: the compiler may use what it is allowed to anywhere in a file. */
const GROUPS = {
  baseline: {
    files: [
      'kernels/dot_scalar.cpp',
      'kernels/sum_scalar.cpp',
      'kernels/real_scalar.cpp',
      'engine/step_memory.cpp',
      'engine/thread_pool.cpp',
      'engine/voters.cpp',
      'engine/huge_pages.cpp',
      'engine/partition.cpp',
      'engine/region_norms.cpp',
      'engine/direct_distance.cpp',
      'engine/weighted_sums.cpp',
      'engine/step.cpp',
      'engine/step_relevant.cpp',
      'engine/step_selection.cpp',
      'engine/step_distances.cpp',
      'engine/step_scores.cpp',
      'engine/step_sums.cpp',
      'engine/step_groups.cpp',
      'engine/grouping.cpp',
      'engine/recycled.cpp',
      'engine/queries.cpp',
      'engine/word_products.cpp',
      'engine/ranks.cpp',
      'engine/statistics.cpp',
      'engine/moments.cpp',
      'engine/random.cpp',
    ],
    flags: [...EXACT],
  },
  avx2: { files: ['kernels/dot_avx2.cpp', 'kernels/sum_avx2.cpp', 'kernels/real_avx2.cpp'], flags: ['-mavx2', '-mfma', ...FUSED] },
  avx512: {
    files: ['kernels/dot_avx512.cpp', 'kernels/sum_avx512.cpp', 'kernels/real_avx512.cpp'],
    // GCC 12 warns of its own headers (_mm512_undefined_epi32 and its like, its bug 105593).
    flags: [
      '-mavx512f',
      '-mavx512bw',
      '-mavx512vl',
      '-mavx512dq',
      '-mavx512vnni',
      '-mfma',
      '-mprefer-vector-width=512',
      ...FUSED,
      '-Wno-uninitialized',
      '-Wno-maybe-uninitialized',
    ],
  },
  // Every 64-bit ARM has NEON: no flag asks for it.
  neon: { files: ['kernels/dot_neon.cpp', 'kernels/sum_neon.cpp', 'kernels/real_neon.cpp'], flags: [...FUSED] },
  addon: { files: ['addon/addon.cpp', 'addon/call.cpp', 'addon/statistics_calls.cpp', 'addon/step_values.cpp'], flags: [...EXACT] },
};

/** Files from the native folder's root, and all flags, of one group. */
export function nativeGroup(name) {
  const { files, flags } = GROUPS[name];
  return { files, flags: [...COMMON_FLAGS, ...flags] };
}

/** Groups that a processor (as Node names it) builds, beside the addon; others than these build the baseline alone. */
const GROUPS_OF = { x64: ['baseline', 'avx2', 'avx512'], arm64: ['baseline', 'neon'] };

export function instructionGroups(arch) {
  return GROUPS_OF[arch] ?? ['baseline'];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [what, group] = process.argv.slice(2);
  const missing = nativeGroup(group).files.find((file) => !existsSync(path.join(nativeFolder, file)));
  if (missing !== undefined) throw new Error(`Expected ${missing} in ${nativeFolder}`);
  process.stdout.write(`${nativeGroup(group)[what].join('\n')}\n`);
}
