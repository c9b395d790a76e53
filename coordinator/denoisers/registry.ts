/** The denoisers that this server has, and the way from a request to the plan of its batch. */

import type { DenoiserKind__Output } from '../../proto/generated/golddiff/v1/DenoiserKind.js';
import type { DenoiserSettings__Output } from '../../proto/generated/golddiff/v1/DenoiserSettings.js';
import { argumentError } from '../../shared/errors.js';
import type { Denoiser, DenoiserPlan, DenoiserQuery, SettingName } from './denoiser.js';
import { optimal } from './optimal.js';
import { patch } from './patch.js';
import { patchEquivariant } from './patch-equivariant.js';
import { pca } from './pca.js';
import { wiener } from './wiener.js';

/** One line for each name of the proto: a missing one does not compile. */
const DENOISERS: Readonly<Record<DenoiserKind__Output, Denoiser>> = {
  DENOISER_UNSPECIFIED: optimal,
  OPTIMAL: optimal,
  WIENER: wiener,
  PATCH: patch,
  PATCH_EQUIVARIANT: patchEquivariant,
  PCA: pca,
};

const FIELDS: Readonly<Record<SettingName, string>> = { maskThreshold: 'mask_threshold', patchSize: 'patch_size' };
const NO_SETTINGS: DenoiserSettings__Output = { maskThreshold: 0, patchSize: 0 };

/** @throws ARGUMENT_INVALID for a denoiser that the proto does not have, or a setting that does not fit it; UNSUPPORTED for rows that do not */
export function planDenoiser(
  kind: DenoiserKind__Output,
  settings: DenoiserSettings__Output | null,
  query: Omit<DenoiserQuery, 'settings'>,
): DenoiserPlan {
  if (typeof kind === 'number') throw argumentError('denoiser', 'a DenoiserKind', kind);
  const denoiser = DENOISERS[kind];
  const given = settings ?? NO_SETTINGS;
  for (const [name, field] of Object.entries(FIELDS) as [SettingName, string][]) {
    if (given[name] !== 0 && !denoiser.settings.includes(name)) throw argumentError(`denoiser_settings.${field}`, `0 with ${kind}`, given[name]);
  }
  return denoiser.plan({ ...query, settings: given });
}
