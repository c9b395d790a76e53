/**
 * Patches at the same place (Kamb and Ganguli, arXiv 2412.20292, the local score machine): a softmax over rows for each location, weighed by the p x p patch
 * around it over all channels, with zero padding. Patches grow with the noise; the sizes were fitted to trained networks.
 */

import { argumentError } from '../../shared/errors.js';
import { noiseShare } from '../../shared/math/noise-schedule.js';
import { distinct, type Denoiser, type DenoiserQuery } from './denoiser.js';

/** Published sizes at 20 steps from low to high noise: a U-Net on MNIST, a ResNet with zero padding on CIFAR-10. */
const GREY = { pixels: 28, sizes: [3, 3, 3, 5, 5, 7, 7, 7, 9, 9, 9, 11, 13, 15, 17, 21, 23, 23, 25, 27] } as const;
const COLOUR = { pixels: 32, sizes: [3, 3, 3, 3, 5, 5, 5, 7, 7, 7, 7, 9, 9, 11, 11, 13, 15, 17, 17, 17] } as const;
/** Of the schedule that the sizes were fitted on: sigma = sin(pi t / 2.016). */
const SCHEDULE_PERIOD = 2.016;

export const patch: Denoiser = {
  settings: ['patchSize'],
  plan(query) {
    const [, height, width] = query.manifest.shape;
    const { kinds, of } = patchSides(query);
    return { route: 'groups', groups: height * width, precisions: kinds.map((side) => ({ kind: 'window' as const, side })), of };
  },
};

/**
 * The different sides of a batch, and which of them each query has: the size asked for, or the published one of its level.
 * @throws ARGUMENT_INVALID
 */
export function patchSides({ manifest, alpha, sigma, settings }: DenoiserQuery): { kinds: number[]; of: Uint32Array } {
  const [channels, height, width] = manifest.shape;
  const sideMax = 2 * Math.max(height, width);
  const { patchSize } = settings;
  if (patchSize !== 0 && (patchSize % 2 !== 1 || patchSize > sideMax))
    throw argumentError('denoiser_settings.patch_size', `an odd number of pixels below ${sideMax}, or 0 for the published sizes`, patchSize);
  const sides = [...sigma].map((s, b) => patchSize || patchSide(channels, Math.max(height, width), noiseShare({ alpha: alpha[b]!, sigma: s })));
  return distinct(sides, (side) => side);
}

/**
 * The published size at a noise level: between two steps by linear interpolation to the nearest odd number, for images of another size in proportion. Pictures
 * of one channel follow the sizes for MNIST, others those for CIFAR-10.
 * @param share sigma / sqrt(alpha^2 + sigma^2), in (0, 1)
 */
export function patchSide(channels: number, pixels: number, share: number): number {
  const { sizes, pixels: fitted } = channels === 1 ? GREY : COLOUR;
  const t = (Math.asin(share) * SCHEDULE_PERIOD) / Math.PI;
  const place = Math.min(sizes.length - 1, Math.max(0, t * sizes.length - 1));
  const below = Math.floor(place);
  const size = sizes[below]! + (place - below) * ((sizes[below + 1] ?? sizes[below]!) - sizes[below]!);
  return Math.max(1, 2 * Math.round(((size * pixels) / fitted - 1) / 2) + 1);
}
