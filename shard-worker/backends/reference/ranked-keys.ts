/** Keys of consecutive ranks of one query in one partition, without sorting all of them. */

import { argumentError } from '../../../shared/errors.js';
import type { RowList } from './row-distances.js';

export interface RankedKeys {
  /** ascending */
  readonly keys: Float64Array;
  /** global row ids; ties of a key ascend by id */
  readonly rowIds: Uint32Array;
}

/** A partitioning that has not ended after so many rounds is left to the native sort. */
const SELECT_ROUNDS_MAX = 64;

/**
 * Ranks [firstRank, firstRank + count) in the order (key, row id).
 *
 * @param keys key of each row of `rows`, no NaN
 * @param rows the eligible rows; undefined = rows 0 .. keys.length - 1
 * @param rowIds [n] global ids of the partition's rows, in any order
 * @throws ARGUMENT_INVALID where the ranks do not exist
 * Cost: O(n) expected, and a sort of the window. `keys` is left as it is.
 */
export function rankedKeys(keys: Float64Array, rows: RowList, rowIds: Uint32Array, firstRank: number, count: number): RankedKeys {
  if (count < 0 || firstRank < 0 || firstRank + count > keys.length) {
    throw argumentError('screen.windows', `ranks within ${keys.length} eligible rows`, `${firstRank} .. ${firstRank + count - 1}`);
  }
  if (count === 0) return { keys: new Float64Array(0), rowIds: new Uint32Array(0) };
  const order = keys.slice();
  const end = firstRank + count;
  if (firstRank > 0) selectRank(order, 0, order.length, firstRank);
  if (end < order.length) selectRank(order, firstRank, order.length, end - 1);
  const window = order.subarray(firstRank, end).sort();
  const low = window[0]!;
  const high = window[count - 1]!;

  // Equal keys may reach beyond the window on both sides, and order by id only shows once all of them are at hand.
  let below = 0;
  const inside: number[] = [];
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!;
    if (key < low) below++;
    else if (key <= high) inside.push(i);
  }
  const idOf = (i: number): number => rowIds[rows === undefined ? i : rows[i]!]!;
  inside.sort((a, b) => keys[a]! - keys[b]! || idOf(a) - idOf(b));
  const ids = new Uint32Array(count);
  const from = firstRank - below;
  for (let i = 0; i < count; i++) ids[i] = idOf(inside[from + i]!);
  return { keys: window.slice(), rowIds: ids };
}

/**
 * Reorders values[low, high) so that the value of rank `rank` stands at its place, nothing larger before it, nothing smaller after it.
 * Hoare's selection with the median of three as pivot.
 */
export function selectRank(values: Float64Array, low: number, high: number, rank: number): void {
  let left = low;
  let right = high - 1;
  for (let round = 0; left < right; round++) {
    if (round === SELECT_ROUNDS_MAX) {
      values.subarray(left, right + 1).sort();
      return;
    }
    const pivot = medianOfThree(values[left]!, values[(left + right) >>> 1]!, values[right]!);
    let i = left;
    let j = right;
    while (i <= j) {
      while (values[i]! < pivot) i++;
      while (values[j]! > pivot) j--;
      if (i <= j) {
        const swap = values[i]!;
        values[i] = values[j]!;
        values[j] = swap;
        i++;
        j--;
      }
    }
    if (rank <= j) right = j;
    else if (rank >= i) left = i;
    else return;
  }
}

function medianOfThree(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
