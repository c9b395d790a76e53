/** Geometry of the proxies: average pooling of a row to a small image, by which candidates are found. */

import { argumentError } from '../errors.js';
import { PROXY_RESOLUTION_MAX } from '../limits.js';

export interface ProxyGeometry {
  /** pixels along H after pooling */
  readonly resolution: number;
  /** side of the square that is averaged, in pixels; 1 = the row itself */
  readonly factor: number;
  /** pooled height and width */
  readonly height: number;
  readonly width: number;
  /** d = C * height * width */
  readonly values: number;
}

/**
 * Geometry for rows of shape [C, H, W]. Resolution 0 takes the smallest factor that divides both sides and leaves none above 16 pixels
 * (28 -> 14, 32 -> 16, 64 -> 16); a flat row (H or W of 1), or sides without such a factor, keep the row itself.
 * @throws ARGUMENT_INVALID for a resolution that does not divide the image into squares, naming those that do
 */
export function proxyGeometry(shape: readonly [number, number, number], resolution: number): ProxyGeometry {
  const [channels, height, width] = shape;
  const factors: number[] = [];
  for (let f = 1; f <= Math.min(height, width); f++) if (height % f === 0 && width % f === 0) factors.push(f);
  let factor: number | undefined;
  if (resolution === 0) {
    factor = height === 1 || width === 1 ? 1 : (factors.find((f) => Math.max(height, width) / f <= PROXY_RESOLUTION_MAX) ?? 1);
  } else {
    factor = factors.find((f) => height / f === resolution);
    if (factor === undefined) {
      const allowed = factors.map((f) => height / f).reverse();
      throw argumentError('retrieval.proxy_resolution', `0 or one of ${allowed.join(', ')} for images of ${height} x ${width}`, resolution);
    }
  }
  const h = height / factor;
  const w = width / factor;
  return { resolution: h, factor, height: h, width: w, values: channels * h * w };
}

/**
 * Average pooling of one row in double: out [d] from row [C, H, W], each value the mean of a factor x factor square, summed in raster order.
 */
export function poolRow(
  row: ArrayLike<number>,
  offset: number,
  shape: readonly [number, number, number],
  geometry: ProxyGeometry,
  out: Float64Array,
): void {
  const [channels, height, width] = shape;
  const { factor, height: h, width: w } = geometry;
  const area = factor * factor;
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < h; i++) {
      for (let j = 0; j < w; j++) {
        let sum = 0;
        for (let u = 0; u < factor; u++) {
          const from = offset + (c * height + i * factor + u) * width + j * factor;
          for (let v = 0; v < factor; v++) sum += row[from + v]!;
        }
        out[(c * h + i) * w + j] = sum / area;
      }
    }
  }
}
