/**
 * Mean and variance of each value over all rows: mean_j = sum y_ij / N, variance_j = sum y_ij^2 / N - mean_j^2, in data units.
 * 8-bit rows are summed as integers, exactly (65,025 * 2^32 < 2^53); 32-bit rows in double, in source order.
 */

import { VALUE_MAPS } from '../../shared/dataset/manifest-validation.js';

export class ValueStatistics {
  /** [D] in stored units */
  readonly sum: Float64Array;
  /** [D] in stored units squared */
  readonly sumOfSquares: Float64Array;

  constructor(
    private readonly width: number,
    private readonly dtype: 'u8' | 'f32',
    state?: { readonly sum: Float64Array; readonly sumOfSquares: Float64Array },
  ) {
    this.sum = state?.sum ?? new Float64Array(width);
    this.sumOfSquares = state?.sumOfSquares ?? new Float64Array(width);
  }

  /** [n, D] */
  add(values: Uint8Array | Float32Array): void {
    const { sum, sumOfSquares, width } = this;
    for (let start = 0; start < values.length; start += width) {
      for (let j = 0; j < width; j++) {
        const value = values[start + j]!;
        sum[j]! += value;
        sumOfSquares[j]! += value * value;
      }
    }
  }

  /** mean and variance [D] over the N rows that were added. */
  moments(rows: number): { mean: Float64Array; variance: Float64Array } {
    const { scale, offset } = VALUE_MAPS[this.dtype];
    const mean = this.sum.map((sum) => (sum / rows) * scale + offset);
    const variance = this.sum.map((sum, j) => {
      const squares = this.sumOfSquares[j]!;
      // N sum y^2 - (sum y)^2 passes 2^53; as integers nothing cancels.
      const stored =
        this.dtype === 'u8'
          ? Number(BigInt(rows) * BigInt(squares) - BigInt(sum) ** 2n) / rows / rows
          : Math.max(0, squares / rows - (sum / rows) ** 2);
      return stored * scale * scale;
    });
    return { mean, variance };
  }
}
