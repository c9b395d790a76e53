import type { DenoiserQuery } from '../../../coordinator/denoisers/denoiser.js';
import { randomDataSet } from '../test-data.js';

/** A query of a denoiser with variance-preserving levels. */
export function queryOf(
  sigma: readonly number[],
  change: Partial<DenoiserQuery> & { readonly shape?: readonly [number, number, number] } = {},
): DenoiserQuery {
  const { shape, ...rest } = change;
  const { manifest } = randomDataSet({ rows: 4, partitions: 1, shape: shape ?? [1, 28, 28] });
  return {
    manifest,
    alpha: Float64Array.from(sigma, (s) => Math.sqrt(1 - s * s)),
    sigma: Float64Array.from(sigma),
    temperature: 1,
    golden: false,
    blocks: false,
    settings: { maskThreshold: 0, patchSize: 0 },
    ...rest,
  };
}
