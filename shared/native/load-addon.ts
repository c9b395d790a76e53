/** Finds and loads the native addon, or says in one sentence why there is none and what to do. */

import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../package-root.js';
import { loadModule } from './load-module.js';
import { ENGINE_CALLS, ISAS, type Isa, type NativeAddon } from './native-addon.js';

const NATIVE_FOLDER = path.join(packageRoot, 'shard-worker/native/build');
const NEXT_STEP = 'run npm run build:native';
const FUNCTIONS: Record<keyof NativeAddon, true> = {
  ...ENGINE_CALLS,
  detect: true,
  createEngine: true,
  restrict: true,
  covariance: true,
  spdSolve: true,
};

export type LoadedAddon =
  { readonly addon: NativeAddon; /** supported here, best first */ readonly isas: readonly Isa[] } | { readonly missing: string };

export interface AddonPlaces {
  /** the .node file */
  readonly file: string;
  /** { failure?: string } of the last try to build it */
  readonly attempt: string;
}

export const ADDON_PLACES: AddonPlaces = {
  file: path.join(NATIVE_FOLDER, 'Release/golddiff_native.node'),
  attempt: path.join(NATIVE_FOLDER, 'attempt.json'),
};

/** Never throws: an addon that is absent, or made for another Node or machine, is `missing` with a sentence that ends in the next step. */
export function loadAddon(places: AddonPlaces = ADDON_PLACES): LoadedAddon {
  if (!existsSync(places.file)) {
    const failure = buildFailure(places.attempt);
    return {
      missing:
        failure === undefined ? `the native engine has not been built; ${NEXT_STEP}` : `the native engine was not built: ${failure}; ${NEXT_STEP}`,
    };
  }
  const loaded = loadModule<NativeAddon>(places.file, FUNCTIONS, { engine: 'native', nextStep: NEXT_STEP });
  if ('missing' in loaded) return loaded;
  const addon = loaded.module;
  const found = addon.detect().isas;
  return { addon, isas: ISAS.filter((isa) => found.includes(isa)) };
}

function buildFailure(attempt: string): string | undefined {
  try {
    const { failure } = JSON.parse(readFileSync(attempt, 'utf8')) as { failure?: unknown };
    return typeof failure === 'string' ? failure : undefined;
  } catch {
    return undefined;
  }
}
