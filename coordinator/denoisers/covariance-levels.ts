/** Noise levels of denoisers that prepare something of order D^3 from the covariance for each of them. */

import { argumentError, GolddiffError } from '../../shared/errors.js';
import { COVARIANCE_VALUES_MAX, NOISE_RATIO_MIN, PREPARED_LEVELS_MAX } from '../../shared/limits.js';
import { rowValues } from '../step-plan.js';
import { distinct, type DenoiserQuery } from './denoiser.js';

/**
 * (sigma / alpha)^2 of each query [B], and the different ones.
 * @throws UNSUPPORTED for rows that are too long, ARGUMENT_INVALID for too many levels or one without noise
 */
export function covarianceLevels({ manifest, alpha, sigma }: DenoiserQuery): { ratio: Float64Array; kinds: number[]; of: Uint32Array } {
  const D = rowValues(manifest);
  if (D > COVARIANCE_VALUES_MAX)
    throw new GolddiffError('UNSUPPORTED', `Expected rows of at most ${COVARIANCE_VALUES_MAX} values for this denoiser but received ${D}`, {
      field: 'denoiser',
    });
  const ratio = sigma.map((s, b) => (s / alpha[b]!) ** 2);
  const low = ratio.findIndex((value) => value < NOISE_RATIO_MIN);
  if (low >= 0) throw argumentError(`sigma[${low}]`, `at least ${Math.sqrt(NOISE_RATIO_MIN)} alpha with this denoiser`, sigma[low]);
  const { kinds, of } = distinct([...ratio], (value) => value);
  if (kinds.length > PREPARED_LEVELS_MAX)
    throw argumentError('noise', `at most ${PREPARED_LEVELS_MAX} different levels in a batch of this denoiser`, `${kinds.length} levels`);
  return { ratio, kinds, of };
}
