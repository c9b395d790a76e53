/**
 * How far one set of images is from another, as the tables of GoldDiff measure it: both are brought from [-1, 1] to [0, 1] and clipped, and for each image
 *     mse = mean (a - b)^2,   r2 = 1 - sum (a - b)^2 / (D var(b)),   var with D - 1
 * with b the reference; an image without variance counts as variance 1. Source: the public evaluation code (shangxinyi/GoldDiff, services/evaluation).
 */

import { invariant } from '../../shared/errors.js';
import type { FloatArray } from '../typed-tensor.js';

/** [B] each */
export interface ImageErrors {
  readonly mse: number[];
  /** largest difference of a value, in [0, 1] */
  readonly worst: number[];
  readonly r2: number[];
}

/** @param images and reference [B, D] in the data's range @param count B */
export function imageErrors(images: FloatArray, reference: FloatArray, count: number): ImageErrors {
  invariant(images.length === reference.length && images.length % count === 0, 'images are compared with as many');
  const size = images.length / count;
  const errors: ImageErrors = { mse: [], worst: [], r2: [] };
  for (let b = 0; b < count; b++) {
    let squares = 0;
    let worst = 0;
    let sum = 0;
    for (let i = b * size; i < (b + 1) * size; i++) {
      const wanted = unit(reference[i]!);
      const difference = Math.abs(unit(images[i]!) - wanted);
      squares += difference * difference;
      worst = Math.max(worst, difference);
      sum += wanted;
    }
    const mean = sum / size;
    let variance = 0;
    for (let i = b * size; i < (b + 1) * size; i++) variance += (unit(reference[i]!) - mean) ** 2;
    variance /= Math.max(1, size - 1);
    errors.mse.push(squares / size);
    errors.worst.push(worst);
    errors.r2.push(1 - squares / ((variance === 0 ? 1 : variance) * size));
  }
  return errors;
}

/** A value in [-1, 1] as a pixel in [0, 1], clipped. */
function unit(value: number): number {
  return Math.min(1, Math.max(0, (value + 1) / 2));
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
