/**
 * Rows that distances are taken to: the rows of a partition, or their pooled proxies. Both are stored numbers v that stand for
 * y = v * scale + offset, so that x - a y = (x - a offset) - (a scale) v: one query vector and one factor per alpha serve all rows.
 */

import { invariant } from '../../../shared/errors.js';
import { poolRow, type ProxyGeometry } from '../../../shared/math/proxy.js';
import { tileFillOf, type RowValues, type TileFill } from './row-kernels.js';

export interface RowSource {
  readonly rows: number;
  /** values of a row */
  readonly rowValues: number;
  /** [rows, rowValues] */
  readonly values: RowValues;
  readonly fill: TileFill;
  /** y = v * scale + offset; scale = 1 / divisor, kept as a divisor because 127.5 is exact and its inverse is not */
  readonly divisor: number;
  readonly offset: number;
}

export function fullRows(values: Uint8Array | Float32Array, rows: number, rowValues: number): RowSource {
  invariant(values.length === rows * rowValues, 'a partition has n rows of D values');
  const bytes = values instanceof Uint8Array;
  return { rows, rowValues, values, fill: tileFillOf(values), divisor: bytes ? 127.5 : 1, offset: bytes ? -1 : 0 };
}

/**
 * Proxies of all rows. For 8-bit rows the exact integer sum of each f x f block (uint16 where f^2 * 255 fits, else uint32), standing for
 * sum / (127.5 f^2) - 1; for float rows the mean of the block in double. Cost: one pass over the rows.
 * `beforeRow` is called now and then, so that a long pass can be left by throwing.
 */
export function proxyRows(
  full: RowSource,
  shape: readonly [number, number, number],
  geometry: ProxyGeometry,
  beforeRow: (row: number) => void = () => {},
): RowSource {
  const { rows, rowValues } = full;
  const area = geometry.factor * geometry.factor;
  if (!(full.values instanceof Uint8Array)) {
    const means = new Float64Array(rows * geometry.values);
    for (let i = 0; i < rows; i++) {
      beforeRow(i);
      poolRow(full.values, i * rowValues, shape, geometry, means.subarray(i * geometry.values, (i + 1) * geometry.values));
    }
    return { rows, rowValues: geometry.values, values: means, fill: tileFillOf(means), divisor: 1, offset: 0 };
  }
  const sums = area * 255 <= 0xffff ? new Uint16Array(rows * geometry.values) : new Uint32Array(rows * geometry.values);
  for (let i = 0; i < rows; i++) {
    beforeRow(i);
    addBlocks(full.values, i * rowValues, shape, geometry, sums, i * geometry.values);
  }
  return { rows, rowValues: geometry.values, values: sums, fill: tileFillOf(sums), divisor: 127.5 * area, offset: -1 };
}

/** Bytes of the proxies that `proxyRows` builds. */
export function proxyBytes(eightBit: boolean, rows: number, geometry: ProxyGeometry): number {
  const size = !eightBit ? 8 : geometry.factor * geometry.factor * 255 <= 0xffff ? 2 : 4;
  return rows * geometry.values * size;
}

/** Integer block sums of one row, accumulated in place. */
function addBlocks(
  values: Uint8Array,
  from: number,
  [channels, height, width]: readonly [number, number, number],
  { factor, height: h, width: w }: ProxyGeometry,
  sums: Uint16Array | Uint32Array,
  to: number,
): void {
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < height; i++) {
      const line = from + (c * height + i) * width;
      const out = to + (c * h + Math.floor(i / factor)) * w;
      for (let j = 0; j < w; j++) {
        let sum = 0;
        for (let v = 0; v < factor; v++) sum += values[line + j * factor + v]!;
        sums[out + j] = sums[out + j]! + sum;
      }
    }
  }
}

/** Queries pooled to proxies: [B, d] means in double. */
export function poolQueries(
  x: Float64Array,
  batch: number,
  rowValues: number,
  shape: readonly [number, number, number],
  geometry: ProxyGeometry,
): Float64Array {
  const pooled = new Float64Array(batch * geometry.values);
  for (let b = 0; b < batch; b++) poolRow(x, b * rowValues, shape, geometry, pooled.subarray(b * geometry.values, (b + 1) * geometry.values));
  return pooled;
}
