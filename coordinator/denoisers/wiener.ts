import { argumentError } from '../../shared/errors.js';
import { covarianceLevels } from './covariance-levels.js';
import type { Denoiser } from './denoiser.js';

/** The best linear denoiser: the posterior mean of a normal law with the data's mean and covariance, those of a class where a label is given. */
export const wiener: Denoiser = {
  settings: [],
  plan(query) {
    if (query.golden) throw argumentError('retrieval.kind', 'EXACT_SCAN with WIENER, which has no rows to choose', 'GOLDEN');
    if (query.blocks) throw argumentError('retrieval.aggregator', 'SOFTMAX with WIENER, which has no weights', 'WSS');
    if (query.temperature !== 1) throw argumentError('temperature', '1 with WIENER, which has no weights', query.temperature);
    return { route: 'gaussian', ratio: covarianceLevels(query).ratio };
  },
};
