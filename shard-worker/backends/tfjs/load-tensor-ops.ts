/** Finds TensorFlow.js, loads it and checks that it multiplies as the backend relies on. */

import { createRequire } from 'node:module';
import path from 'node:path';
import { GolddiffError } from '../../../shared/errors.js';
import { TFJS_FLAVOURS, type TensorDevice, type TensorOps, type TfjsFlavour } from './tensor-ops.js';

const PACKAGES: Readonly<Record<TfjsFlavour, string>> = {
  'node-gpu': '@tensorflow/tfjs-node-gpu',
  node: '@tensorflow/tfjs-node',
  wasm: '@tensorflow/tfjs-backend-wasm',
  cpu: '@tensorflow/tfjs-backend-cpu',
};

/** A graphics card wants tiles that fill it; a processor such that a tile stays in its cache and takes a few milliseconds. */
const TILE_VALUES = { gpu: 2 ** 24, cpu: 2 ** 18 } as const;

export const TFJS_NEXT_STEP =
  'npm install --no-save @tensorflow/tfjs-node-gpu (CUDA 11.2 and cuDNN 8.1) or @tensorflow/tfjs-node, beside golddiff or where --tfjs-from says';

/** What loaded modules offer: the operations, and how to choose what computes them. */
interface TfjsModule extends TensorOps {
  readonly version_core?: string;
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { readonly isUsingGpuDevice?: boolean };
  enableProdMode(): void;
}
interface WasmModule {
  setWasmPaths(prefix: string): void;
}

/** What the thread that loads it is told. */
export interface DeviceThreadSettings {
  /** folder whose node_modules, or those above it, hold TensorFlow.js */
  readonly tfjsFrom: string;
  /** packages to look for, in order */
  readonly flavours: readonly TfjsFlavour[];
}

/** The first flavour whose package is found from a folder, without loading it. */
export function findTfjs(from: string, flavours: readonly TfjsFlavour[] = TFJS_FLAVOURS): TfjsFlavour | undefined {
  const require = requireFrom(from);
  return flavours.find((flavour) => {
    try {
      require.resolve(PACKAGES[flavour]);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * @param from folder whose node_modules, or those above it, hold the packages
 * @throws BACKEND_MISSING, in one sentence with the next step
 */
export async function loadTensorOps(from: string, flavours: readonly TfjsFlavour[] = TFJS_FLAVOURS): Promise<TensorDevice> {
  const flavour = findTfjs(from, flavours);
  if (flavour === undefined) throw missing(`TensorFlow.js is not installed; ${TFJS_NEXT_STEP}`);
  try {
    const tf = await loaded(requireFrom(from), flavour);
    const device = flavour === 'node-gpu' && tf.backend().isUsingGpuDevice === true ? 'gpu' : 'cpu';
    checkProducts(tf);
    return { ops: tf, facts: { flavour, version: tf.version_core ?? 'unknown', device }, tileValues: TILE_VALUES[device] };
  } catch (thrown) {
    if (thrown instanceof GolddiffError) throw thrown;
    const [reason = ''] = (thrown instanceof Error ? thrown.message : String(thrown)).split('\n');
    throw missing(`${PACKAGES[flavour]} is installed but does not load: ${reason}; reinstall it, with its build, or remove it`);
  }
}

function requireFrom(folder: string): NodeJS.Require {
  return createRequire(path.resolve(folder, 'package.json'));
}

async function loaded(require: NodeJS.Require, flavour: TfjsFlavour): Promise<TfjsModule> {
  if (flavour === 'node' || flavour === 'node-gpu') return require(PACKAGES[flavour]) as TfjsModule;
  const tf = require('@tensorflow/tfjs-core') as TfjsModule;
  // Says that the native package would be faster, on standard output, otherwise.
  tf.enableProdMode();
  const engine = require(PACKAGES[flavour]) as Partial<WasmModule>;
  engine.setWasmPaths?.(`${path.dirname(require.resolve(PACKAGES[flavour]))}/`);
  if (!(await tf.setBackend(flavour))) throw new Error(`its ${flavour} engine does not start`);
  await tf.ready();
  return tf;
}

const CHECK_SIDE = 256;

/**
 * Products of float32 numbers must keep their 24 bits: cards since 2020 may round them to 11 where nobody forbids it (TensorFloat-32).
 * @throws BACKEND_MISSING
 */
export function checkProducts(ops: TensorOps): void {
  const n = CHECK_SIDE;
  const values = new Float32Array(n * n).map((_, i) => 1 + (i % 1024) * 2 ** -23);
  const unit = new Float32Array(n * n).map((_, i) => (i % (n + 1) === 0 ? 1 : 0));
  const product = ops.tidy(() => ops.matMul(ops.tensor(values.slice(), [n, n], 'float32'), ops.tensor(unit, [n, n], 'float32')).dataSync());
  if (!values.every((value, i) => product[i] === value))
    throw missing('TensorFlow.js rounds products to less than float32 here; set NVIDIA_TF32_OVERRIDE=0 in the environment');
}

function missing(reason: string): GolddiffError {
  return new GolddiffError('BACKEND_MISSING', reason);
}
