/**
 * Patches from everywhere (Kamb and Ganguli, arXiv 2412.20292, the equivariant local score machine): a softmax for each location over the patches of all rows at
 * all locations, with zero padding, so that what is known of one place serves every other. Its sizes are those of `patch`, its work H W times as much.
 */

import { GolddiffError } from '../../shared/errors.js';
import { EQUIVARIANT_LOCATIONS_MAX } from '../../shared/limits.js';
import type { Denoiser } from './denoiser.js';
import { patchSides } from './patch.js';

export const patchEquivariant: Denoiser = {
  settings: ['patchSize'],
  plan(query) {
    const [, height, width] = query.manifest.shape;
    if (height * width > EQUIVARIANT_LOCATIONS_MAX) {
      const message = `Expected images of at most ${EQUIVARIANT_LOCATIONS_MAX} pixels for PATCH_EQUIVARIANT, which compares every location with every other, but received ${height} x ${width}`;
      throw new GolddiffError('UNSUPPORTED', message, { field: 'denoiser' });
    }
    const { kinds, of } = patchSides(query);
    return { route: 'groups', groups: height * width, precisions: kinds.map((side) => ({ kind: 'equivariant' as const, side })), of };
  },
};
