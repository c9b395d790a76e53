/** Loads an addon of this checkout and checks that it has the functions of its contract, or says in one sentence why it cannot be used and what to do. */

import { createRequire } from 'node:module';

/** Names an engine in sentences: `the ${engine} engine ..; ${nextStep}`. */
export interface EngineWords {
  readonly engine: string;
  /** what mends it, such as a command to run */
  readonly nextStep: string;
}

/**
 * Never throws. @param file a .node file that is there
 * @param functions all of the contract: one that lacks here is found by the compiler, one that the addon lacks when it is loaded
 */
export function loadModule<T>(
  file: string,
  functions: Readonly<Record<keyof T & string, true>>,
  { engine, nextStep }: EngineWords,
): { readonly module: T } | { readonly missing: string } {
  let loaded: unknown;
  try {
    loaded = createRequire(import.meta.url)(file);
  } catch (thrown) {
    return { missing: `the ${engine} engine ${reasonOf(thrown)}; ${nextStep}` };
  }
  const lacking = Object.keys(functions).find((name) => typeof (loaded as Partial<Record<string, unknown>>)[name] !== 'function');
  if (lacking !== undefined) return { missing: `the ${engine} engine was built from other sources (it lacks ${lacking}); ${nextStep}` };
  return { module: loaded as T };
}

function reasonOf(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const library = /(\S+): cannot open shared object file/.exec(text)?.[1];
  if (library !== undefined) return `needs ${library}, which is not here`;
  if (/NODE_MODULE_VERSION|napi_register_module|Module did not self-register|undefined symbol/.test(text))
    return `was built for another Node than ${process.version}`;
  if (/invalid ELF header|wrong ELF class|not a mach-o|incompatible architecture|file too short|not a valid Win32/i.test(text))
    return `was built for another platform than ${process.platform} ${process.arch}`;
  return `does not load (${text.split('\n')[0]!.slice(0, 200)})`;
}
