/** The backend of a worker: looks at what is there, chooses, says why, and makes it. */

import { asGolddiffError, invariant } from '../../shared/errors.js';
import type { Logger } from '../../shared/log.js';
import { loadAddon, type LoadedAddon } from '../../shared/native/load-addon.js';
import { packageRoot } from '../../shared/package-root.js';
import type { Backend } from './backend.js';
import { chooseBackend, type BackendChoice, type BackendWish, type Detected } from './choose-backend.js';
import { EquivariantThreads } from './equivariant-threads.js';
import { cardRowsBytes, createCudaBackend } from './cuda/cuda-backend.js';
import { expectedDeviceBytes } from './cuda/device-bytes.js';
import { detectCuda, type DetectedCuda } from './cuda/load-cuda-addon.js';
import { chooseIsa, type IsaWish } from './native/choose-isa.js';
import { NativeBackend } from './native/native-backend.js';
import { ReferenceBackend } from './reference/reference-backend.js';
import type { PartitionSize } from './resident-partitions.js';
import { findTfjs, TFJS_NEXT_STEP } from './tfjs/load-tensor-ops.js';
import { TFJS_FLAVOURS, type TfjsFacts, type TfjsFlavour } from './tfjs/tensor-ops.js';
import { TfjsBackend } from './tfjs/tfjs-backend.js';

export interface BackendSettings {
  readonly wish: BackendWish;
  /** of the native backend */
  readonly isa: IsaWish;
  readonly computeThreads: number;
  /** budget for rows of backends that keep them in this machine's memory, and of TensorFlow.js, which does not tell a card's */
  readonly hostMemoryBytes: number;
  /** budget for rows on a device that CUDA finds; Infinity = what it has for them */
  readonly cardMemoryBytes: number;
  /** the largest partition of each data set that may come; none where nobody knows */
  readonly largest?: readonly PartitionSize[];
  /** folder whose node_modules hold TensorFlow.js, beside those of this program */
  readonly tfjsFrom?: string | undefined;
  readonly log: Logger;
  /** how the native addon is found; a wish for the reference backend does not load it */
  readonly load?: () => LoadedAddon;
  /** how the CUDA engine and its device are found */
  readonly detect?: () => DetectedCuda;
}

export interface ChosenBackend {
  readonly backend: Backend;
  readonly choice: BackendChoice;
  /** of the native backend the instruction set, of CUDA the compute capability, of TensorFlow.js the package; else empty */
  readonly variant: string;
  /** budget for its rows */
  readonly deviceMemoryBytes: number;
}

const NOT_LOOKED_FOR = { missing: 'it was not looked for', expected: false } as const;

/** @throws BACKEND_MISSING for a named backend or instruction set that this machine lacks, in one sentence with the next step */
export async function createBackend(settings: BackendSettings): Promise<ChosenBackend> {
  const { isa: isaWish, computeThreads, hostMemoryBytes, cardMemoryBytes, log, largest = [] } = settings;
  const wish = isaWish !== 'auto' && settings.wish === 'auto' ? 'native' : settings.wish;
  const native: LoadedAddon = wish === 'reference' ? NOT_LOOKED_FOR : (settings.load ?? loadAddon)();
  const cuda: DetectedCuda = wish === 'auto' || wish === 'cuda' ? (settings.detect ?? detectCuda)() : NOT_LOOKED_FOR;
  const cardBytes = 'addon' in cuda ? cardRowsBytes(cuda.device, cardMemoryBytes, hostMemoryBytes) : 0;
  // A card that the CUDA engine takes is not TensorFlow's.
  const tfjs = wish === 'auto' && 'addon' in cuda ? { detected: NOT_LOOKED_FOR } : await startTfjs(settings, wish, 'addon' in native);
  const whole = (inner: Backend): Backend => new EquivariantThreads(inner, computeThreads, log);
  try {
    const choice = chooseBackend(wish, {
      native: 'addon' in native ? { found: {} } : { missing: native.missing, expected: true },
      cuda: 'addon' in cuda ? { found: { ...cuda.device, freeBytes: Math.min(cuda.device.freeBytes, cardBytes) } } : cuda,
      tfjs: tfjs.detected,
      partitionBytesMax: Math.max(0, ...largest.map(expectedDeviceBytes)),
    });
    const isa = choice.name === 'native' && 'addon' in native ? chooseIsa(isaWish, native.isas) : undefined;
    const card = choice.name === 'cuda' && 'addon' in cuda ? cuda : undefined;
    const about = choice.name === 'tfjs' && 'found' in tfjs.detected ? { tfjs: tfjs.detected.found } : card ? { cuda: card.device } : isa && { isa };
    const facts = { backend: choice.name, choice: choice.kind, reason: choice.reason, computeThreads, ...about };
    if (choice.kind === 'fallback') log.warn(facts, 'backend chosen, a faster one is missing');
    else log.info(facts, 'backend chosen');
    if (choice.name !== 'tfjs') await tfjs.backend?.close();
    if (card !== undefined) {
      const inner = createCudaBackend({ ...card, computeThreads, deviceMemoryBytes: cardBytes });
      return { backend: whole(inner), choice, variant: `sm_${card.device.architecture}`, deviceMemoryBytes: cardBytes };
    }
    const deviceMemoryBytes = hostMemoryBytes;
    if (isa !== undefined && 'addon' in native) {
      const inner = new NativeBackend({ addon: native.addon, isa, computeThreads, deviceMemoryBytes });
      return { backend: whole(inner), choice, variant: isa, deviceMemoryBytes };
    }
    if (choice.name === 'tfjs') {
      invariant(tfjs.backend !== undefined && 'found' in tfjs.detected, 'a backend that was found has started');
      return { backend: whole(tfjs.backend), choice, variant: tfjs.detected.found.flavour, deviceMemoryBytes };
    }
    return { backend: new ReferenceBackend({ computeThreads, deviceMemoryBytes }), choice, variant: '', deviceMemoryBytes };
  } catch (thrown) {
    await tfjs.backend?.close();
    throw thrown;
  }
}

interface StartedTfjs {
  readonly detected: Detected<TfjsFacts>;
  readonly backend?: TfjsBackend;
}

/** Packages to look for; where nothing was asked for, those that may be the best there is: on processors none is faster than the native engine. */
function flavoursFor(wish: BackendWish, hasNative: boolean): readonly TfjsFlavour[] {
  if (wish === 'tfjs') return TFJS_FLAVOURS;
  return hasNative ? ['node-gpu'] : ['node-gpu', 'node'];
}

/** Loads TensorFlow.js, in the thread that will own the device, where it was asked for or may be the best there is. */
async function startTfjs(
  { hostMemoryBytes: deviceMemoryBytes, tfjsFrom = packageRoot }: BackendSettings,
  wish: BackendWish,
  hasNative: boolean,
): Promise<StartedTfjs> {
  if (wish !== 'auto' && wish !== 'tfjs') return { detected: NOT_LOOKED_FOR };
  const flavours = flavoursFor(wish, hasNative);
  if (findTfjs(tfjsFrom, flavours) === undefined)
    return { detected: { missing: `TensorFlow.js is not installed: ${TFJS_NEXT_STEP}`, expected: false } };
  const backend = new TfjsBackend({ from: tfjsFrom, flavours, deviceMemoryBytes });
  try {
    return { detected: { found: await backend.facts() }, backend };
  } catch (thrown) {
    await backend.close();
    return { detected: { missing: asGolddiffError(thrown).message, expected: true } };
  }
}
