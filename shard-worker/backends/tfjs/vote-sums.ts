/** From squared differences of rows and a query, value by value, to the squared distance of each weight group: on a device, in float32. */

import { invariant } from '../../../shared/errors.js';
import type { SupportSet } from '../../../shared/math/support-set.js';
import type { Precision } from '../backend.js';
import type { Tensor, TensorOps } from './tensor-ops.js';

/** Some of the groups of a precision, as many as a mask of them fits in. */
export interface VoteSums {
  /** groups [first, first + count) */
  readonly first: number;
  readonly count: number;
  /** squares [r, D] -> distances [r, count]; the tensors that it makes are the caller's */
  sum(squares: Tensor): Tensor;
  dispose(): void;
}

/** Entries of a mask on the device: 64 MB. */
const MASK_VALUES_MAX = 2 ** 24;

/** Blocks of groups one after another: each is made when it is its turn. */
export function* voteSums(
  ops: TensorOps,
  precision: Exclude<Precision, { kind: 'equivariant' }>,
  shape: readonly [number, number, number],
): Generator<VoteSums> {
  if (precision.kind === 'window') yield windowSums(ops, shape, precision.side);
  else yield* supportSums(ops, precision.set);
}

/**
 * A product with the 0/1 mask [D, count]: sums of terms that are not negative, in float32, thus within D 2^-24 of themselves whatever their order. Running sums would
 * lose the small ones.
 */
function* supportSums(ops: TensorOps, { rowValues, groups, firstRun, runs }: SupportSet): Generator<VoteSums> {
  const size = Math.max(1, Math.min(groups, Math.floor(MASK_VALUES_MAX / rowValues)));
  for (let first = 0; first < groups; first += size) {
    const count = Math.min(size, groups - first);
    const votes = new Float32Array(rowValues * count);
    for (let g = 0; g < count; g++)
      for (let r = firstRun[first + g]!; r < firstRun[first + g + 1]!; r++)
        for (let p = runs[2 * r]!; p < runs[2 * r + 1]!; p++) votes[p * count + g] = 1;
    const mask = ops.tensor(votes, [rowValues, count], 'float32');
    yield { first, count, sum: (squares) => ops.matMul(squares, mask), dispose: () => mask.dispose() };
  }
}

/** Windows as two products with bands of ones, along the rows and then along the columns; what lies outside the image adds nothing. */
function windowSums(ops: TensorOps, [channels, height, width]: readonly [number, number, number], side: number): VoteSums {
  invariant(side % 2 === 1, 'a window has a middle');
  const reach = (side - 1) / 2;
  const band = (n: number): Tensor => {
    const ones = new Float32Array(n * n).map((_, k) => (Math.abs((k % n) - Math.floor(k / n)) <= reach ? 1 : 0));
    return ops.tensor(ones, [n, n], 'float32');
  };
  const along = band(width);
  const down = band(height);
  return {
    first: 0,
    count: height * width,
    sum(squares) {
      const r = squares.shape[0]!;
      const image = ops.sum(ops.reshape(squares, [r, channels, height * width]), 1, false);
      const lines = ops.matMul(ops.reshape(image, [r * height, width]), along);
      const turned = ops.transpose(ops.reshape(lines, [r, height, width]), [0, 2, 1]);
      const columns = ops.matMul(ops.reshape(turned, [r * width, height]), down);
      return ops.reshape(ops.transpose(ops.reshape(columns, [r, width, height]), [0, 2, 1]), [r, height * width]);
    },
    dispose() {
      along.dispose();
      down.dispose();
    },
  };
}
