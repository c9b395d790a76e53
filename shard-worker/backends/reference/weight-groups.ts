/**
 * Weight groups of a step: from the squared differences of one query and one row, value by value, to the squared distance of each group. This is all that
 * tells one denoiser from another where rows are scored; what comes after is grouped-posterior.ts for all of them.
 */

import { invariant } from '../../../shared/errors.js';
import type { SupportSet } from '../../../shared/math/support-set.js';
import type { Precision } from '../backend.js';

export interface WeightGroups {
  /** G */
  readonly groups: number;
  /** distances[g] = sum of squares[p] over the values that vote for g. [D] in, [G] out, in double; never below 0. */
  sum(squares: Float64Array, distances: Float64Array): void;
}

export function weightGroupsOf(precision: Exclude<Precision, { kind: 'equivariant' }>, shape: readonly [number, number, number]): WeightGroups {
  return precision.kind === 'window' ? windowGroups(shape, precision.side) : supportGroups(precision.set);
}

/**
 * Sums over runs as differences of running sums: two reads a run whatever its length. In double the running sum is off by at most D 2^-53 of
 * |x - a y|^2, 1e-9 nats at the least noise. It grows with every term, so that no difference is negative. Cost: D + R adds.
 */
function supportGroups({ rowValues, groups, firstRun, runs }: SupportSet): WeightGroups {
  const running = new Float64Array(rowValues + 1);
  return {
    groups,
    sum(squares, distances) {
      let total = 0;
      for (let p = 0; p < rowValues; p++) running[p + 1] = total += squares[p]!;
      let r = 0;
      for (let g = 0; g < groups; g++) {
        const end = 2 * firstRun[g + 1]!;
        let sum = 0;
        for (; r < end; r += 2) sum += running[runs[r + 1]!]! - running[runs[r]!]!;
        distances[g] = sum;
      }
    },
  };
}

/**
 * Windows of side x side pixels around each location, summed over the channels; what lies outside the image is padded with zeros in query and row alike
 * and adds nothing. Running sums along the rows, then along the columns: O(D) whatever the side.
 */
function windowGroups([channels, height, width]: readonly [number, number, number], side: number): WeightGroups {
  invariant(side % 2 === 1, 'a window has a middle');
  const reach = (side - 1) / 2;
  const area = height * width;
  const running = new Float64Array(Math.max(height, width) + 1);
  const rowSums = new Float64Array(area);
  return {
    groups: area,
    sum(squares, distances) {
      for (let i = 0; i < height; i++) {
        const line = i * width;
        let total = 0;
        for (let j = 0; j < width; j++) {
          for (let c = 0; c < channels; c++) total += squares[c * area + line + j]!;
          running[j + 1] = total;
        }
        for (let j = 0; j < width; j++) rowSums[line + j] = running[Math.min(width, j + reach + 1)]! - running[Math.max(0, j - reach)]!;
      }
      for (let j = 0; j < width; j++) {
        let total = 0;
        for (let i = 0; i < height; i++) running[i + 1] = total += rowSums[i * width + j]!;
        for (let i = 0; i < height; i++) distances[i * width + j] = running[Math.min(height, i + reach + 1)]! - running[Math.max(0, i - reach)]!;
      }
    },
  };
}
