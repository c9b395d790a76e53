// Builds the CUDA engine.
//   node scripts/build-cuda.mjs               shard-worker/cuda/build/Release/golddiff_cuda.node, by nvcc; ends with 77 and a sentence where it is not installed
//   node scripts/build-cuda.mjs --emulated    .../build/emulated/golddiff_cuda.node: the same kernels and host code for a device emulated on the processor, for tests
// Objects are kept: only what is older than a source is compiled again.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { ADDON_DEFINES, cudaFolder, DEVICE_FILES, EMULATED_FILES, HOST_FILES, HOST_FLAGS, KERNEL_FILES, NVCC_FLAGS } from './cuda-sources.mjs';
import { root } from './stamps.mjs';

const SKIPPED = 77;
const emulated = process.argv.includes('--emulated');
const compiler = process.env.CXX ?? 'g++';
const nvcc = ['nvcc', '/usr/local/cuda/bin/nvcc'].find((command) => runs(command));
if (!runs(compiler)) fail(1, `${compiler} was not found; install g++ (Debian: apt-get install g++)`);
if (!emulated && nvcc === undefined)
  fail(SKIPPED, "not built: nvcc was not found; install NVIDIA's CUDA toolkit 12 or later, then npm run build:cuda");
const headers = nodeHeaders();
if (headers === undefined)
  fail(
    1,
    "Node's headers were not found; name a folder with include/node/node_api.h by npm_config_nodedir (Debian: apt-get install libnode-dev, then /usr)",
  );

const folder = path.join(cudaFolder, 'build', emulated ? 'emulated' : 'Release');
const addon = path.join(folder, 'golddiff_cuda.node');
mkdirSync(folder, { recursive: true });
const napi = path.dirname(createRequire(import.meta.url).resolve('node-addon-api/package.json'));
const includes = ['-I../native/include', '-I../native', `-I${headers}`, `-I${napi}`];
const headersMs = newestHeaderMs();
const host = (files, flags = []) => files.map((file) => [compiler, [...HOST_FLAGS, ...ADDON_DEFINES, ...includes, ...flags, '-c', file], file]);
const compilations = emulated
  ? [...host(HOST_FILES), ...host([...KERNEL_FILES, ...EMULATED_FILES], ['-x', 'c++', '-U_FORTIFY_SOURCE', '-Wno-unknown-pragmas'])]
  : [...host(HOST_FILES), ...[...KERNEL_FILES, ...DEVICE_FILES].map((file) => [nvcc, [...NVCC_FLAGS, '-c', file], file])];

const startedMs = Date.now();
const objects = compilations.map(([, , file]) => path.join(folder, `${file.replaceAll(/[^a-z0-9_]/gi, '-')}.o`));
const queue = compilations
  .map(([command, args, file], k) => ({ command, args: [...args, '-o', objects[k]], object: objects[k], source: path.join(cudaFolder, file) }))
  .filter(({ object, source }) => !existsSync(object) || statSync(object).mtimeMs < Math.max(headersMs, statSync(source).mtimeMs));
// A changed contract must never meet the old addon.
if (queue.length > 0) rmSync(addon, { force: true });
if (!existsSync(addon)) {
  const outcomes = await Promise.all(Array.from({ length: availableParallelism() }, compileAll));
  if (outcomes.includes(false)) fail(1, 'the sources of the CUDA engine did not compile, see above');
  const linked = emulated
    ? run(compiler, ['-shared', ...objects, '-pthread', '-o', addon])
    : run(nvcc, ['-shared', '--cudart=static', ...objects, '-Xcompiler=-pthread', '-o', addon]);
  if (linked !== 0) fail(1, 'the CUDA engine did not link, see above');
  // In another process: an addon that ends its process must not end this one.
  if (run(process.execPath, ['-e', `require(${JSON.stringify(addon)}).detect()`]) !== 0) {
    rmSync(addon, { force: true });
    fail(1, 'the CUDA engine was built but does not load');
  }
}
process.stderr.write(
  `golddiff: CUDA engine${emulated ? ' for the emulated device' : ''} built in ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`,
);

async function compileAll() {
  for (let next = queue.shift(); next; next = queue.shift()) {
    const { command, args, object } = next;
    const status = await new Promise((resolve) =>
      spawn(command, args, { cwd: cudaFolder, stdio: 'inherit' })
        .on('exit', resolve)
        .on('error', () => resolve(1)),
    );
    if (status === 0) continue;
    rmSync(object, { force: true });
    return false;
  }
  return true;
}

function run(command, args) {
  return spawnSync(command, args, { cwd: cudaFolder, stdio: ['ignore', 2, 2] }).status;
}

function runs(command) {
  return spawnSync(command, ['--version'], { stdio: 'ignore' }).status === 0;
}

/** The folder with node_api.h. */
function nodeHeaders() {
  const folders = [process.env.npm_config_nodedir, path.dirname(path.dirname(process.execPath)), '/usr'];
  return folders.flatMap((of) => (of === undefined ? [] : [path.join(of, 'include/node')])).find((of) => existsSync(path.join(of, 'node_api.h')));
}

/** Of what any source may include, and of what says how it is built. */
function newestHeaderMs() {
  const sources = ['shard-worker/cuda', 'shard-worker/native'].flatMap((of) =>
    readdirSync(path.join(root, of), { recursive: true })
      .filter((name) => /\.(h|inc)$/.test(name))
      .map((name) => path.join(root, of, name)),
  );
  sources.push(path.join(root, 'scripts/build-cuda.mjs'), path.join(root, 'scripts/cuda-sources.mjs'));
  return Math.max(...sources.map((file) => statSync(file).mtimeMs));
}

function fail(status, text) {
  process.stderr.write(`golddiff: ${text}\n`);
  process.exit(status);
}
