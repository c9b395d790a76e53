/** Which denoisers a study looks at, those that were named or all that the cluster has, and their settings. */

import type { Command } from 'commander';

import { integer, real, type Parser } from '../../shared/config.js';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import { PATCH_SIZE_MAX } from '../../shared/limits.js';
import type { NoiseLevel } from '../../shared/math/noise-schedule.js';
import type { DataSetInfo } from '../golddiff-client.js';
import { offeredDenoisers, type SettingsOf } from '../studies/fidelity.js';
import { DENOISERS, type Denoiser } from '../vocabulary.js';
import type { ClientSession } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { PATCHES } from './flags.js';

/** In place of names: whatever the cluster answers. */
export const OFFERED = 'offered';

/** Hundreds of times the work of any other: only where it is named. */
const TOO_SLOW_UNNAMED: Denoiser = 'patch-equivariant';

export type DenoiserChoice = readonly Denoiser[] | typeof OFFERED;

export const denoiserList: Parser<DenoiserChoice> = (value, name) => {
  if (value === OFFERED) return OFFERED;
  const words = value.split(',').map((word) => word.trim());
  if (!words.every((word): word is Denoiser => Object.hasOwn(DENOISERS, word)) || new Set(words).size < words.length)
    throw argumentError(name, `${OFFERED}, or some of ${Object.keys(DENOISERS).join(', ')}, each once`, value);
  return words;
};

export interface DenoiserFlags {
  readonly denoiser: DenoiserChoice;
  readonly maskThreshold?: number;
  readonly patchSize?: number;
}

export function addDenoiserFlags(command: Command): Command {
  return command
    .addOption(
      clientFlag(
        '--denoiser <LIST>',
        `some of ${Object.keys(DENOISERS).join(', ')}, or ${OFFERED}: all that the cluster has but patch-equivariant`,
        denoiserList,
        'optimal',
      ),
    )
    .addOption(clientFlag('--mask-threshold <SHARE>', 'pca: mask entries below this share of the largest are 0 (default .02)', real(0, 1, true)))
    .addOption(
      clientFlag(
        '--patch-size <PIXELS>',
        'patch, patch-equivariant: pixels per side, odd (default by noise level, as published)',
        integer(1, PATCH_SIZE_MAX),
      ),
    );
}

/** Throws ARGUMENT_INVALID for a setting of a denoiser that is not looked at. */
export function denoiserSettings({ denoiser, maskThreshold, patchSize }: DenoiserFlags): SettingsOf {
  const has = (name: Denoiser): boolean => denoiser === OFFERED || denoiser.includes(name);
  const shown = String(denoiser);
  if (maskThreshold !== undefined && !has('pca')) throw argumentError('--mask-threshold', 'pca among --denoiser', shown);
  if (patchSize !== undefined && !PATCHES.some(has)) throw argumentError('--patch-size', `${PATCHES.join(' or ')} among --denoiser`, shown);
  return {
    ...(maskThreshold === undefined ? {} : { pca: { maskThreshold } }),
    ...(patchSize === undefined ? {} : Object.fromEntries(PATCHES.map((name) => [name, { patchSize }]))),
  };
}

/** Throws ARGUMENT_INVALID, with the cluster's reason, for one that was named and that it does not serve. @param level one of the study's */
export async function chosenDenoisers(
  choice: DenoiserChoice,
  { client, signal }: ClientSession,
  dataSet: DataSetInfo,
  level: NoiseLevel,
): Promise<readonly Denoiser[]> {
  const served = { name: dataSet.name, values: dataSet.shape.reduce((product, n) => product * n, 1) };
  if (choice === OFFERED)
    return offeredDenoisers(
      client,
      (Object.keys(DENOISERS) as Denoiser[]).filter((name) => name !== TOO_SLOW_UNNAMED),
      level,
      served,
      signal,
    );
  return offeredDenoisers(client, choice, level, served, signal, (refusal) => {
    throw new GolddiffError('ARGUMENT_INVALID', refusal.message, { field: '--denoiser' }, { cause: refusal });
  });
}
