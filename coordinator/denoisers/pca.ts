import { argumentError } from '../../shared/errors.js';
import { rowValues } from '../step-plan.js';
import { covarianceLevels } from './covariance-levels.js';
import type { Denoiser } from './denoiser.js';

/** That of the public code for MNIST, Fashion-MNIST and ImageNet; it uses .03 for CIFAR-10 and CelebA-HQ, .04 for AFHQ. */
const THRESHOLD_DEFAULT = 0.02;

/**
 * Locality from the covariance (arXiv 2509.09672): a softmax over rows for each output value, weighed by the input values that matter for it at this noise
 * level. The masks are those of the whole data set, under labels too.
 */
export const pca: Denoiser = {
  settings: ['maskThreshold'],
  plan(query) {
    const wish = query.settings.maskThreshold;
    if (!(wish >= 0 && wish <= 1)) throw argumentError('denoiser_settings.mask_threshold', 'a share in (0, 1], or 0 for the default', wish);
    const threshold = wish === 0 ? THRESHOLD_DEFAULT : wish;
    const { kinds, of } = covarianceLevels(query);
    const precisions = kinds.map((ratio) => ({ kind: 'locality' as const, ratio, threshold }));
    return { route: 'groups', groups: rowValues(query.manifest), precisions, of };
  },
};
