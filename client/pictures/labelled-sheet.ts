/** Images in rows and columns that have names: rows on the left, columns on top. */

import { invariant } from '../../shared/errors.js';
import { defaultScale, drawGrid, encodePng, type ImageBatch } from '../../shared/pictures/image-grid.js';
import { FONT_FAMILY, svgText, svgToPng } from './svg-to-png.js';

export interface SheetRow {
  readonly label: string;
  /** one image for each column */
  readonly images: ImageBatch;
}

export interface LabelledSheet {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly SheetRow[];
}

const GAP_PIXELS = 4;
const MARGIN_PIXELS = 14;
const HEADING_PIXELS = 62;
const TITLE_PIXELS = 16;
const LABEL_PIXELS = 13;
/** Widest averages of text at these sizes. */
const TITLE_CHARACTER_PIXELS = 10.5;
const LABEL_CHARACTER_PIXELS = 8;

/** PNG of the sheet. */
export async function labelledSheetPng({ title, columns, rows }: LabelledSheet): Promise<Buffer> {
  const shape = rows[0]?.images.shape;
  invariant(shape !== undefined && columns.length > 0, 'a sheet has at least one row and one column');
  const size = shape[0] * shape[1] * shape[2];
  const values = new Float32Array(rows.length * columns.length * size);
  rows.forEach(({ images }, row) => {
    invariant(images.count === columns.length, 'every row of a sheet has an image for each column');
    const bytes = images.values instanceof Uint8Array;
    for (let i = 0; i < images.values.length; i++)
      values[row * columns.length * size + i] = bytes ? images.values[i]! / 127.5 - 1 : images.values[i]!;
  });
  const scale = defaultScale(shape[2]);
  const grid = drawGrid({ values, count: rows.length * columns.length, shape }, { columns: columns.length, scale, gapPixels: GAP_PIXELS });
  const png = (await encodePng(grid)).toString('base64');
  const left = MARGIN_PIXELS + Math.max(...rows.map(({ label }) => label.length)) * LABEL_CHARACTER_PIXELS + MARGIN_PIXELS / 2;
  const width = Math.ceil(Math.max(left + grid.width, MARGIN_PIXELS + title.length * TITLE_CHARACTER_PIXELS) + MARGIN_PIXELS);
  const height = HEADING_PIXELS + grid.height + MARGIN_PIXELS;
  const [tileWidth, tileHeight] = [shape[2] * scale, shape[1] * scale];
  const centre = (place: number, tile: number): number => GAP_PIXELS + place * (tile + GAP_PIXELS) + tile / 2;
  const text = (x: number, y: number, anchor: string, label: string): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}" font-size="${LABEL_PIXELS}" fill="#444">${svgText(label)}</text>`;
  return svgToPng(
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="${width}" height="${height}" font-family="${FONT_FAMILY}">` +
      `<rect width="${width}" height="${height}" fill="#fff"/>` +
      `<text x="${MARGIN_PIXELS}" y="28" font-size="${TITLE_PIXELS}" font-weight="bold" fill="#222">${svgText(title)}</text>` +
      columns.map((label, place) => text(left + centre(place, tileWidth), HEADING_PIXELS - 6, 'middle', label)).join('') +
      rows
        .map(({ label }, place) => text(left - MARGIN_PIXELS / 2, HEADING_PIXELS + centre(place, tileHeight) + LABEL_PIXELS / 3, 'end', label))
        .join('') +
      `<image x="${left}" y="${HEADING_PIXELS}" width="${grid.width}" height="${grid.height}" xlink:href="data:image/png;base64,${png}"/></svg>`,
    1,
  );
}
