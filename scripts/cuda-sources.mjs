// What the CUDA engine is built from: kernels by nvcc, or by the C++ compiler for a device emulated on the processor; and the host code of both.
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from './stamps.mjs';

export const cudaFolder = path.join(root, 'shard-worker/cuda');
/** Compute capabilities that the addon has code for; later ones run what is compiled for the last. */
export const ARCHITECTURES = ['80', '90'];

/** Of the CPU engine: queries in limbs, ranks, memory of steps, host threads; and the edge to JavaScript. */
const SHARED_FILES = [
  'kernels/dot_scalar.cpp',
  'kernels/sum_scalar.cpp',
  'kernels/real_scalar.cpp',
  'engine/step_memory.cpp',
  'engine/thread_pool.cpp',
  'engine/huge_pages.cpp',
  'engine/partition.cpp',
  'engine/queries.cpp',
  'engine/word_products.cpp',
  'engine/recycled.cpp',
  'engine/ranks.cpp',
  'addon/call.cpp',
  'addon/step_values.cpp',
].map((file) => path.join('../native', file));

const inFolder = (folder, ending) =>
  readdirSync(path.join(cudaFolder, folder))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => path.join(folder, name));

export const KERNEL_FILES = inFolder('kernels', '.cu');
export const HOST_FILES = [...inFolder('engine', '.cpp'), 'addon/addon.cpp', ...SHARED_FILES];
export const DEVICE_FILES = ['device/driver_cuda.cu'];
export const EMULATED_FILES = ['device/emulated.cpp', 'device/driver_emulated.cpp'];

export const HOST_FLAGS = ['-std=c++17', '-O3', '-fPIC', '-fvisibility=hidden', '-ffp-contract=off', '-Wall', '-Wextra'];
export const ADDON_DEFINES = ['-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED'];
/** Kernels round as they are written: fused where the compiler may is another number on another device. */
export const NVCC_FLAGS = [
  '-std=c++17',
  '-O3',
  '--fmad=false',
  '--expt-relaxed-constexpr',
  '-Xcompiler=-fPIC,-fvisibility=hidden',
  ...ARCHITECTURES.flatMap((of) => ['-gencode', `arch=compute_${of},code=sm_${of}`]),
  '-gencode',
  `arch=compute_${ARCHITECTURES.at(-1)},code=compute_${ARCHITECTURES.at(-1)}`,
];
