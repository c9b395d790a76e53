/** Squared distances of queries to chosen rows, by exact products on a device. */

import type { DistanceQueries, RowList } from '../reference/row-distances.js';
import { digitPlan, readDigits, TERMS_MAX, unitOf, writeDigits, type DigitPlan } from './digits.js';
import type { DeviceRows } from './device-rows.js';
import type { Tensor } from './tensor-ops.js';

/** Digits of the queries that are on the device at once: 64 MB. */
const DIGIT_VALUES_MAX = 2 ** 24;

/** Queries on the device. */
interface QueryDigits {
  readonly plan: DigitPlan;
  /** of consecutive columns of the planes: [columns, queries * plan.count] */
  readonly pieces: readonly { readonly from: number; readonly columns: number; readonly digits: Tensor }[];
  /** by query */
  readonly unit: Float64Array;
  /** by query: |q|^2 of the query as its digits say it */
  readonly squares: Float64Array;
}

/**
 * |x_b - a_b y_i|^2 = |q|^2 - 2 c q.V + c^2 |V|^2 with q = x - a offset and c = a / divisor, for y = V / divisor + offset: q.V from digits of q, an exact integer but
 * for the rounding of q to 40 bits, the rest in double on the host.
 *
 * @returns for each of `wanted` the distances of its rows, in the order of its list
 * A distance depends on its query and its row alone, bit for bit, on every device. It is that of a query whose values are off by at most 2^-38 of its largest: relative to
 * |x|^2 + |a y|^2 about 1e-12. Cost: 2 D flop for each digit of each pair on the device (5 digits up to D = 1024, 7 above 2048), and one float32 of it back.
 */
export function deviceDistances(
  rows: DeviceRows,
  queries: DistanceQueries,
  wanted: readonly number[],
  lists: readonly RowList[],
  checkpoint: () => void,
): Float64Array[] {
  const columns = Math.min(TERMS_MAX, rows.planeWidth);
  const plan = digitPlan(columns);
  const blockSize = Math.max(1, Math.floor(DIGIT_VALUES_MAX / (rows.planeWidth * plan.count)));
  const found: Float64Array[] = [];
  for (let from = 0; from < wanted.length; from += blockSize) {
    const block = wanted.slice(from, from + blockSize);
    const digits = queryDigits(rows, queries, block, plan, columns);
    try {
      found.push(...blockDistances(rows, digits, queries.alpha, block, lists, checkpoint));
    } finally {
      for (const piece of digits.pieces) piece.digits.dispose();
    }
  }
  return found;
}

function queryDigits(rows: DeviceRows, { x, alpha }: DistanceQueries, block: readonly number[], plan: DigitPlan, columns: number): QueryDigits {
  const { rowValues: D, planeWidth, offset, ops } = rows;
  const width = block.length * plan.count;
  const digits = new Float32Array(planeWidth * width);
  const unit = new Float64Array(block.length);
  const squares = new Float64Array(block.length);
  block.forEach((b, k) => {
    const q = x.slice(b * D, (b + 1) * D).map((value) => value - alpha[b]! * offset);
    const own = unitOf(
      q.reduce((most, value) => Math.max(most, Math.abs(value)), 0),
      plan,
    );
    unit[k] = own;
    let sum = 0;
    for (let p = 0; p < D; p++) {
      const whole = Math.round(q[p]! / own);
      writeDigits(whole, plan, digits, p * width + k * plan.count, 1);
      sum += (whole * own) ** 2;
    }
    squares[k] = sum;
  });
  const pieces = [];
  for (let from = 0; from < planeWidth; from += columns) {
    const count = Math.min(columns, planeWidth - from);
    pieces.push({ from, columns: count, digits: ops.tensor(digits.slice(from * width, (from + count) * width), [count, width], 'float32') });
  }
  return { plan, pieces, unit, squares };
}

function blockDistances(
  rows: DeviceRows,
  { plan, pieces, unit, squares }: QueryDigits,
  alpha: Float64Array,
  block: readonly number[],
  lists: readonly RowList[],
  checkpoint: () => void,
): Float64Array[] {
  const results = block.map((b) => new Float64Array(lists[b]?.length ?? rows.rows));
  const position = new Uint32Array(block.length);
  const width = block.length * plan.count;
  for (let first = 0; first < rows.rows; first += rows.tileRows) {
    const last = Math.min(rows.rows, first + rows.tileRows);
    const ends = block.map((b, k) => (lists[b] === undefined ? last : endOf(lists[b], position[k]!, last)));
    const wholes = block.some((b) => lists[b] === undefined);
    const needed = wholes ? undefined : neededRows(block, lists, position, ends, first, last);
    if (needed?.rows.length === 0) continue;
    checkpoint();
    const products = rows.ops.tidy(() =>
      rows.planes(needed === undefined ? rows.range(first, last - first) : rows.chosen(needed.rows)).flatMap(({ tensor, scale }) =>
        pieces.map((piece) => {
          const part = pieces.length === 1 ? tensor : rows.ops.slice(tensor, [0, piece.from], [tensor.shape[0]!, piece.columns]);
          return { scale, sums: rows.ops.matMul(part, piece.digits).dataSync() };
        }),
      ),
    );
    block.forEach((b, k) => {
      const list = lists[b];
      const out = results[k]!;
      const c = alpha[b]! / rows.divisor;
      const cross = -2 * c * unit[k]!;
      for (let at = position[k]!; at < ends[k]!; at++) {
        const row = list === undefined ? at : list[at]!;
        const slot = needed === undefined ? row - first : needed.slots[row - first]!;
        let dot = 0;
        for (const { scale, sums } of products) dot += scale * readDigits(sums, slot * width + k * plan.count, 1, plan);
        out[at] = Math.max(0, squares[k]! + cross * dot + c * c * rows.squares[row]!);
      }
      position[k] = ends[k]!;
    });
  }
  return results;
}

/** First place of an ascending list, from `at` on, whose row is not before `last`. */
function endOf(list: Uint32Array, at: number, last: number): number {
  let end = at;
  while (end < list.length && list[end]! < last) end++;
  return end;
}

/** The rows of a tile that any query of the block wants, and where each lies among them; undefined where that is most of the tile. */
function neededRows(
  block: readonly number[],
  lists: readonly RowList[],
  from: Uint32Array,
  ends: readonly number[],
  first: number,
  last: number,
): { rows: Uint32Array; slots: Uint32Array } | undefined {
  const slots = new Uint32Array(last - first);
  block.forEach((b, k) => {
    for (let at = from[k]!; at < ends[k]!; at++) slots[lists[b]![at]! - first] = 1;
  });
  const count = slots.reduce((sum, one) => sum + one, 0);
  if (2 * count > last - first) return undefined;
  const rows = new Uint32Array(count);
  let n = 0;
  slots.forEach((one, i) => {
    if (one === 0) return;
    slots[i] = n;
    rows[n++] = first + i;
  });
  return { rows, slots };
}
