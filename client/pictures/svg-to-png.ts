/**
 * SVG to PNG with a font of our own, so that text shows on a machine without fonts. The SVG names FONT_FAMILY; where it is shown by a browser that
 * lacks the first font, the next ones stand in.
 */

import { createRequire } from 'node:module';
import path from 'node:path';

import { Resvg } from '@resvg/resvg-js';

export const FONT_FAMILY = 'DejaVu Sans, Verdana, Arial, sans-serif';

const FONT_FOLDER = path.join(path.dirname(createRequire(import.meta.url).resolve('dejavu-fonts-ttf/package.json')), 'ttf');

/** @param zoom screen pixels for one SVG unit */
export function svgToPng(svg: string, zoom: number): Buffer {
  const picture = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: zoom },
    background: '#ffffff',
    font: {
      loadSystemFonts: false,
      fontFiles: [path.join(FONT_FOLDER, 'DejaVuSans.ttf'), path.join(FONT_FOLDER, 'DejaVuSans-Bold.ttf')],
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
  });
  return picture.render().asPng();
}

/** Text as it may stand in an SVG element. */
export function svgText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
