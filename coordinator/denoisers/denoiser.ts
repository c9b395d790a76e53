/**
 * What a denoiser is to the coordinator: a function from the noise levels of a batch to how the batch is answered. Workers know none by name: they score
 * rows under the precisions that they are given. So a denoiser is one file here and a line in registry.ts.
 */

import type { DenoiserSettings__Output } from '../../proto/generated/golddiff/v1/DenoiserSettings.js';
import type { Manifest } from '../../shared/dataset/manifest.js';

/** What a request says of a batch. Everything but `settings` has been checked. */
export interface DenoiserQuery {
  readonly manifest: Manifest;
  /** [B] > 0 */
  readonly alpha: Float64Array;
  readonly sigma: Float64Array;
  readonly temperature: number;
  /** a subset of the rows is scored */
  readonly golden: boolean;
  /** rows are weighed by blocks (WSS) */
  readonly blocks: boolean;
  readonly settings: DenoiserSettings__Output;
}

export type SettingName = 'maskThreshold' | 'patchSize';

export interface Denoiser {
  /** the settings that it reads; others must be 0 */
  readonly settings: readonly SettingName[];
  /** @throws ARGUMENT_INVALID naming the field */
  plan(query: DenoiserQuery): DenoiserPlan;
}

/** How a batch is answered. */
export type DenoiserPlan =
  /** one weight for each row */
  | { readonly route: 'rows' }
  /** weights by groups of output values */
  | {
      readonly route: 'groups';
      /** G; value p belongs to group p mod G */
      readonly groups: number;
      readonly precisions: readonly PrecisionPlan[];
      /** [B] which precision a query has */
      readonly of: Uint32Array;
    }
  /** from mean and covariance, without rows. `ratio` [B] is (sigma / alpha)^2. */
  | { readonly route: 'gaussian'; readonly ratio: Float64Array };

/** Which values vote for which group. */
export type PrecisionPlan =
  /** G = H*W: the side x side pixels around each location, all channels */
  | { readonly kind: 'window'; readonly side: number }
  /** G = H*W: patches of that side, all channels, from all locations of a row */
  | { readonly kind: 'equivariant'; readonly side: number }
  /** G = D: the locality mask at this level */
  | { readonly kind: 'locality'; readonly ratio: number; readonly threshold: number };

/** The different ones of a batch, and which of them each query has. */
export function distinct<T>(items: readonly T[], keyOf: (item: T) => string | number): { kinds: T[]; of: Uint32Array } {
  const places = new Map<string | number, number>();
  const kinds: T[] = [];
  const of = Uint32Array.from(items, (item) => {
    const key = keyOf(item);
    let place = places.get(key);
    if (place === undefined) {
      place = kinds.push(item) - 1;
      places.set(key, place);
    }
    return place;
  });
  return { kinds, of };
}
