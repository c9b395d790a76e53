/** Which instruction set the native backend uses: the best of the machine, or the one that GOLDDIFF_ISA names. */

import { GolddiffError } from '../../../shared/errors.js';
import { ISAS, type Isa } from '../../../shared/native/native-addon.js';

export const ISA_WISHES = ['auto', ...ISAS] as const;
export type IsaWish = (typeof ISA_WISHES)[number];

/**
 * `supported` is what the machine runs, best first.
 * @throws BACKEND_MISSING for a named set that this machine or build lacks
 */
export function chooseIsa(wish: IsaWish, supported: readonly Isa[]): Isa {
  const best = supported[0] ?? 'scalar';
  if (wish === 'auto') return best;
  if (supported.includes(wish)) return wish;
  throw new GolddiffError(
    'BACKEND_MISSING',
    `Expected --isa (or GOLDDIFF_ISA) to be one of ${supported.join(', ')} on this machine, or auto, but received "${wish}"`,
  );
}
