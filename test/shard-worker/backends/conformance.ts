/**
 * The suite that every backend passes. It compares with the oracle within the backend's tolerances, and with the backend itself bit for bit where
 * the contract says that an answer does not depend on something. Its parts, by concern, are the files conformance-*.ts.
 */

import { describe } from 'node:test';
import type { Backend } from '../../../shard-worker/backends/backend.js';
import { independenceConformance } from './conformance-independence.js';
import { posteriorConformance } from './conformance-posterior.js';
import { resourcesConformance } from './conformance-resources.js';
import { selectionConformance } from './conformance-selection.js';

export interface ConformanceSubject {
  readonly name: string;
  readonly threadCounts: readonly number[];
  create(options: { computeThreads: number; deviceMemoryBytes?: number; stepStateBytesMax?: number }): Backend;
  readonly tolerances: ConformanceTolerances;
  /** beside those that every backend is tried with */
  readonly shapes?: readonly (readonly [number, number, number])[];
  readonly rows?: readonly number[];
  /** from the start of a long request to its cancelling: short of the request's end; 20 where nothing is said */
  readonly closeAfterMs?: number;
}

export interface ConformanceTolerances {
  /** of a squared distance, relative to |x|^2 + |a y|^2 */
  readonly distance: number;
  /** of mass and massSq, relative, per nat of the largest logit's size; the error of a distance enters the exponent */
  readonly mass: number;
  /** of a weighted sum, absolute, relative to the mass: half an ulp of float32 and what comes before it */
  readonly sums: number;
  /** of a logit, absolute, in nats, beside what `distance` gives; 0 where nothing is said */
  readonly logit?: number;
  /** share of the mass that may be missing from mass and sums, counted in skippedShare; 0 where nothing is said */
  readonly leftOut?: number;
  /** of a distance between float proxies; as `distance` where nothing is said */
  readonly floatProxy?: number;
  /** of the mass of a histogram against the whole, relative; 1e-12 where nothing is said: sums of doubles in two orders */
  readonly histogram?: number;
}

/** Pictures, and a long row, about the widths of kernels and beyond a tile: for engines that compute many values at once. */
export const IMAGE_SHAPES = [
  [1, 9, 7],
  [1, 8, 8],
  [1, 13, 5],
  [101, 1, 1],
  [3, 32, 32],
] as const;

export function backendConformance(subject: ConformanceSubject): void {
  describe(`${subject.name} backend`, () => {
    posteriorConformance(subject);
    selectionConformance(subject);
    independenceConformance(subject);
    resourcesConformance(subject);
  });
}
