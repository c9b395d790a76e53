/** Finds and loads the native addon, or says in one sentence why there is none and what to do. */

import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { packageRoot } from '../package-root.js';
import { ISAS, type Isa, type NativeAddon } from './native-addon.js';

const NATIVE_FOLDER = path.join(packageRoot, 'shard-worker/native/build');
const NEXT_STEP = 'run npm run build:native';
const FUNCTIONS = [
  'detect',
  'createEngine',
  'closeEngine',
  'stepStateBytes',
  'loadPartition',
  'partitionBytes',
  'releasePartition',
  'openStep',
  'restrict',
  'screen',
  'scalars',
  'sums',
  'closeStep',
  'covariance',
  'spdSolve',
] as const satisfies readonly (keyof NativeAddon)[];

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
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)(places.file);
  } catch (thrown) {
    return { missing: `${reasonOf(thrown)}; ${NEXT_STEP}` };
  }
  const lacking = FUNCTIONS.find((name) => typeof (loaded as Partial<Record<string, unknown>>)[name] !== 'function');
  if (lacking !== undefined) return { missing: `the native engine was built from other sources (it lacks ${lacking}); ${NEXT_STEP}` };
  const addon = loaded as NativeAddon;
  const found = addon.detect().isas;
  return { addon, isas: ISAS.filter((isa) => found.includes(isa)) };
}

function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  if (/NODE_MODULE_VERSION|napi_register_module|Module did not self-register|undefined symbol/.test(text))
    return `the native engine was built for another Node than ${process.version}`;
  if (
    /invalid ELF header|wrong ELF class|not a mach-o|incompatible architecture|cannot open shared object|file too short|not a valid Win32/i.test(text)
  )
    return `the native engine was built for another platform than ${process.platform} ${process.arch}`;
  return `the native engine does not load (${text.split('\n')[0]!.slice(0, 200)})`;
}

function buildFailure(attempt: string): string | undefined {
  try {
    const { failure } = JSON.parse(readFileSync(attempt, 'utf8')) as { failure?: unknown };
    return typeof failure === 'string' ? failure : undefined;
  } catch {
    return undefined;
  }
}
