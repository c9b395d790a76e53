/** The backend of a worker: looks at what is there, chooses, says why, and makes it. */

import type { Logger } from '../../shared/log.js';
import type { Backend, BackendName } from './backend.js';
import { chooseBackend, type BackendFacts, type BackendWish } from './choose-backend.js';
import { EquivariantThreads } from './equivariant-threads.js';
import { createCudaBackend } from './cuda/cuda-backend.js';
import { detectCuda, type CudaFacts } from './cuda/load-cuda-addon.js';
import { chooseIsa, type IsaWish } from './native/choose-isa.js';
import { loadAddon, type LoadedAddon } from '../../shared/native/load-addon.js';
import { NativeBackend } from './native/native-backend.js';
import { ReferenceBackend } from './reference/reference-backend.js';

export interface BackendSettings {
  readonly wish: BackendWish;
  /** of the native backend */
  readonly isa: IsaWish;
  readonly computeThreads: number;
  readonly deviceMemoryBytes: number;
  readonly log: Logger;
  /** how the native addon is found; a wish for the reference backend does not load it */
  readonly load?: () => LoadedAddon;
  /** how the CUDA engine and its device are found; only a wish for cuda looks for them */
  readonly detect?: () => CudaFacts;
}

/** @throws BACKEND_MISSING for a named backend or instruction set that this machine lacks, in one sentence with the next step */
export function createBackend(settings: BackendSettings): Backend {
  const { wish, isa: isaWish, computeThreads, deviceMemoryBytes, log } = settings;
  const native: LoadedAddon | undefined = wish === 'reference' ? undefined : (settings.load ?? loadAddon)();
  const cuda = wish === 'cuda' ? (settings.detect ?? detectCuda)() : undefined;
  const choice = chooseBackend(isaWish !== 'auto' && wish === 'auto' ? 'native' : wish, factsOf(native, cuda));
  const isa = choice.name === 'native' && native && 'addon' in native ? chooseIsa(isaWish, native.isas) : undefined;
  const device = choice.name === 'cuda' && cuda && 'addon' in cuda ? cuda : undefined;
  const facts = { backend: choice.name, reason: choice.reason, computeThreads, ...(isa && { isa }), ...device?.device };
  if (choice.degraded) log.warn(facts, 'backend chosen, a faster one is missing');
  else log.info(facts, 'backend chosen');
  if (device !== undefined) return new EquivariantThreads(createCudaBackend({ ...device, computeThreads, deviceMemoryBytes }), log);
  if (isa !== undefined && native && 'addon' in native)
    return new EquivariantThreads(new NativeBackend({ addon: native.addon, isa, computeThreads, deviceMemoryBytes }), log);
  return new ReferenceBackend({ computeThreads, deviceMemoryBytes });
}

function factsOf(native: LoadedAddon | undefined, cuda: CudaFacts | undefined): BackendFacts {
  const missing = {
    ...(native !== undefined && 'missing' in native && { native: native.missing }),
    ...(cuda !== undefined && 'missing' in cuda && { cuda: cuda.missing }),
  };
  const available: BackendName[] = ['reference'];
  if (native !== undefined && 'addon' in native) available.unshift('native');
  if (cuda !== undefined && 'addon' in cuda) available.unshift('cuda');
  return { available, missing };
}
