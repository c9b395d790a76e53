/**
 * How images come out of noise: x0hat at every step, one row for each sample, one column for each step, the timestep above each column.
 */

import { invariant } from '../../shared/errors.js';
import { defaultScale, drawGrid, encodePng, type ImageBatch } from '../../shared/pictures/image-grid.js';
import { FONT_FAMILY, svgText, svgToPng } from './svg-to-png.js';

/** x0hat of the first images of a run after one step. */
export interface TrajectoryColumn {
  /** what stands above the column, such as `t = 900` */
  readonly label: string;
  /** the same number of images in every column */
  readonly images: ImageBatch;
}

const GAP_PIXELS = 4;
const MARGIN_PIXELS = 12;
const HEADING_PIXELS = 56;
const FONT_PIXELS = 15;
/** Widest average of bold text at that size: a picture of few steps is made as wide as its title. */
const TITLE_CHARACTER_PIXELS = 10;

/** PNG of the columns from left to right, in the order given. */
export async function trajectoryPng(columns: readonly TrajectoryColumn[], title: string): Promise<Buffer> {
  const first = columns[0]?.images;
  invariant(first !== undefined, 'a trajectory has at least one step');
  const size = first.shape[0] * first.shape[1] * first.shape[2];
  const values = new Float32Array(columns.length * first.count * size);
  columns.forEach(({ images }, column) => {
    invariant(images.count === first.count, 'every step of a trajectory shows the same samples');
    const bytes = images.values instanceof Uint8Array;
    for (let row = 0; row < first.count; row++)
      for (let p = 0; p < size; p++) {
        const value = images.values[row * size + p]!;
        values[(row * columns.length + column) * size + p] = bytes ? value / 127.5 - 1 : value;
      }
  });
  const scale = defaultScale(first.shape[2]);
  const grid = drawGrid(
    { values, count: columns.length * first.count, shape: first.shape },
    { columns: columns.length, scale, gapPixels: GAP_PIXELS },
  );
  const png = (await encodePng(grid)).toString('base64');
  const width = Math.max(grid.width, title.length * TITLE_CHARACTER_PIXELS) + 2 * MARGIN_PIXELS;
  const height = grid.height + HEADING_PIXELS + MARGIN_PIXELS;
  const tile = first.shape[2] * scale;
  const labels = columns.map(({ label }, column) => {
    const centre = MARGIN_PIXELS + GAP_PIXELS + column * (tile + GAP_PIXELS) + tile / 2;
    return `<text x="${centre}" y="${HEADING_PIXELS - 4}" text-anchor="middle" font-size="${FONT_PIXELS - 2}" fill="#555">${svgText(label)}</text>`;
  });
  return svgToPng(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" font-family="${FONT_FAMILY}">` +
      `<rect width="${width}" height="${height}" fill="#fff"/>` +
      `<text x="${MARGIN_PIXELS + GAP_PIXELS}" y="26" font-size="${FONT_PIXELS}" font-weight="bold" fill="#222">${svgText(title)}</text>` +
      labels.join('') +
      `<image x="${MARGIN_PIXELS}" y="${HEADING_PIXELS}" width="${grid.width}" height="${grid.height}" xlink:href="data:image/png;base64,${png}"/></svg>`,
    1,
  );
}
