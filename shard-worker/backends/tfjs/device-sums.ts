/** Weighted sums of rows, by exact products on a device. */

import type { Gathered } from '../reference/step-partition.js';
import { digitPlan, readDigits, unitOf, writeDigits } from './digits.js';
import type { DeviceRows } from './device-rows.js';

/** Rows of one sum: with 8-bit digits the longest that is exact. Sums are cut at multiples of it, whoever is summed beside. */
const SUM_ROWS = 1024;
const PLAN = digitPlan(SUM_ROWS);
/** Weights lie in [0, 1]. */
const UNIT = unitOf(1, PLAN);

/**
 * sums[k] = f32(sum_i weights_k[i] y_(rows_k[i])), weights rounded to multiples of 2^-38 and then summed without error, whatever else is summed: an answer depends on its
 * own rows and weights alone, bit for bit. Error: n 2^-39 (hi - lo) at most, and half an ulp of float32.
 * Cost: 2 D flop for each of 5 digits of each row with a weight, and D floats back for each 1024 rows and digit.
 */
export function deviceSums(rows: DeviceRows, gathered: readonly Gathered[], sums: Float32Array, checkpoint: () => void): void {
  const { rowValues: D, planeWidth, ops } = rows;
  const totals = new Float64Array(gathered.length * D);
  const position = new Uint32Array(gathered.length);
  const lines = gathered.length * PLAN.count;
  for (let first = 0; first < rows.rows; first += SUM_ROWS) {
    const last = Math.min(rows.rows, first + SUM_ROWS);
    const whole = new Float64Array(gathered.length * (last - first));
    const used = new Uint8Array(last - first);
    gathered.forEach(({ rows: list, weights }, k) => {
      let at = position[k]!;
      for (; at < list.length && list[at]! < last; at++) {
        const value = Math.round(weights[at]! / UNIT);
        if (value === 0) continue;
        whole[k * (last - first) + list[at]! - first] = value;
        used[list[at]! - first] = 1;
      }
      position[k] = at;
    });
    const chosen = Uint32Array.from(used.keys()).filter((i) => used[i] === 1);
    if (chosen.length === 0) continue;
    checkpoint();
    const r = chosen.length;
    const digits = new Float32Array(lines * r);
    gathered.forEach((_, k) => {
      for (let i = 0; i < r; i++) writeDigits(whole[k * (last - first) + chosen[i]!]!, PLAN, digits, k * PLAN.count * r + i, r);
    });
    const products = ops.tidy(() => {
      const weights = ops.tensor(digits, [lines, r], 'float32');
      const words = r === last - first ? rows.range(first, r) : rows.chosen(chosen.map((i) => first + i));
      return rows.planes(words).map(({ tensor, scale }) => ({ scale, sums: ops.matMul(weights, tensor).dataSync() }));
    });
    for (const { scale, sums: parts } of products)
      for (let k = 0; k < gathered.length; k++)
        for (let p = 0; p < D; p++) {
          const at = k * D + p;
          totals[at] = totals[at]! + scale * readDigits(parts, k * PLAN.count * planeWidth + p, planeWidth, PLAN);
        }
  }
  gathered.forEach(({ weights }, k) => {
    const weight = weights.reduce((sum, w) => sum + w, 0);
    for (let p = 0; p < D; p++) sums[k * D + p] = (totals[k * D + p]! * UNIT) / rows.divisor + rows.offset * weight;
  });
}
