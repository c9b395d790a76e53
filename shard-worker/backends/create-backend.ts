/** The backend of a worker: looks at what is there, chooses, says why, and makes it. */

import { asGolddiffError, invariant } from '../../shared/errors.js';
import type { Logger } from '../../shared/log.js';
import { loadAddon, type LoadedAddon } from '../../shared/native/load-addon.js';
import { packageRoot } from '../../shared/package-root.js';
import type { Backend } from './backend.js';
import { chooseBackend, type BackendChoice, type BackendWish, type CudaFacts, type Detected } from './choose-backend.js';
import { EquivariantThreads } from './equivariant-threads.js';
import { chooseIsa, type IsaWish } from './native/choose-isa.js';
import { NativeBackend } from './native/native-backend.js';
import { ReferenceBackend } from './reference/reference-backend.js';
import { findTfjs, TFJS_NEXT_STEP } from './tfjs/load-tensor-ops.js';
import { TFJS_FLAVOURS, type TfjsFacts, type TfjsFlavour } from './tfjs/tensor-ops.js';
import { TfjsBackend } from './tfjs/tfjs-backend.js';

export interface BackendSettings {
  readonly wish: BackendWish;
  /** of the native backend */
  readonly isa: IsaWish;
  readonly computeThreads: number;
  readonly deviceMemoryBytes: number;
  /** of the largest partition that may come; 0 where nobody knows */
  readonly partitionBytesMax?: number;
  /** folder whose node_modules hold TensorFlow.js, beside those of this program */
  readonly tfjsFrom?: string | undefined;
  readonly log: Logger;
  /** how the native addon is found; a wish for the reference backend does not load it */
  readonly load?: () => LoadedAddon;
}

export interface ChosenBackend {
  readonly backend: Backend;
  readonly choice: BackendChoice;
  /** of the native backend the instruction set, of TensorFlow.js the package; else empty */
  readonly variant: string;
}

/** TensorFlow's own library, which is worth a look where nothing was asked for. */
const AUTO_FLAVOURS: readonly TfjsFlavour[] = ['node-gpu', 'node'];
const NO_CUDA: Detected<CudaFacts> = {
  missing: 'this build has no CUDA kernels: install an NVIDIA driver and the CUDA toolkit, and build golddiff with its CUDA engine',
  expected: false,
};

/** @throws BACKEND_MISSING for a named backend or instruction set that this machine lacks, in one sentence with the next step */
export async function createBackend(settings: BackendSettings): Promise<ChosenBackend> {
  const { isa: isaWish, computeThreads, deviceMemoryBytes, log, partitionBytesMax = 0 } = settings;
  const wish = isaWish !== 'auto' && settings.wish === 'auto' ? 'native' : settings.wish;
  const native: LoadedAddon = wish === 'reference' ? { missing: 'it was not looked for' } : (settings.load ?? loadAddon)();
  const tfjs = await startTfjs(settings, wish);
  try {
    const choice = chooseBackend(wish, {
      native: 'addon' in native ? { found: {} } : { missing: native.missing, expected: true },
      cuda: NO_CUDA,
      tfjs: tfjs.detected,
      partitionBytesMax,
    });
    const isa = choice.name === 'native' && 'addon' in native ? chooseIsa(isaWish, native.isas) : undefined;
    const about = choice.name === 'tfjs' && 'found' in tfjs.detected ? { tfjs: tfjs.detected.found } : isa && { isa };
    const facts = { backend: choice.name, choice: choice.kind, reason: choice.reason, computeThreads, ...about };
    if (choice.kind === 'fallback') log.warn(facts, 'backend chosen, a faster one is missing');
    else log.info(facts, 'backend chosen');
    if (choice.name !== 'tfjs') await tfjs.backend?.close();
    if (isa !== undefined && 'addon' in native) {
      const backend = new NativeBackend({ addon: native.addon, isa, computeThreads, deviceMemoryBytes });
      return { backend: new EquivariantThreads(backend, log), choice, variant: isa };
    }
    if (choice.name === 'tfjs') {
      invariant(tfjs.backend !== undefined && 'found' in tfjs.detected, 'a backend that was found has started');
      return { backend: new EquivariantThreads(tfjs.backend, log), choice, variant: tfjs.detected.found.flavour };
    }
    return { backend: new ReferenceBackend({ computeThreads, deviceMemoryBytes }), choice, variant: '' };
  } catch (thrown) {
    await tfjs.backend?.close();
    throw thrown;
  }
}

interface StartedTfjs {
  readonly detected: Detected<TfjsFacts>;
  readonly backend?: TfjsBackend;
}

/** Loads TensorFlow.js, in the thread that will own the device, where it was asked for or may be the best there is. */
async function startTfjs({ deviceMemoryBytes, tfjsFrom = packageRoot }: BackendSettings, wish: BackendWish): Promise<StartedTfjs> {
  if (wish !== 'auto' && wish !== 'tfjs') return { detected: { missing: 'it was not looked for', expected: false } };
  const flavours = wish === 'auto' ? AUTO_FLAVOURS : TFJS_FLAVOURS;
  if (findTfjs(tfjsFrom, flavours) === undefined)
    return { detected: { missing: `TensorFlow.js is not installed: ${TFJS_NEXT_STEP}`, expected: false } };
  const backend = new TfjsBackend({ from: tfjsFrom, flavours, deviceMemoryBytes });
  try {
    // The facts that the thread puts there are those of loadTensorOps.
    const facts = (await backend.device()).about as unknown as TfjsFacts;
    return { detected: { found: facts }, backend };
  } catch (thrown) {
    await backend.close();
    return { detected: { missing: asGolddiffError(thrown).message, expected: true } };
  }
}
