/**
 * Images as one PNG: tiles in a grid, each pixel enlarged to a square of whole screen pixels, so that small images stay crisp.
 */

import sharp from 'sharp';

import { invariant } from '../errors.js';

/** Images of one size. n images, [C, H, W] each. */
export interface ImageBatch {
  /** [n, C, H, W]; bytes as they are, floats in the data's range [-1, 1] */
  readonly values: Uint8Array | Float32Array | Float64Array;
  readonly count: number;
  readonly shape: readonly [number, number, number];
}

export interface GridOptions {
  /** tiles in one row; default: the least number that makes the grid no taller than wide */
  readonly columns?: number;
  /** screen pixels for one image pixel; default: tiles of about 84 screen pixels */
  readonly scale?: number;
  /** screen pixels between tiles; default 4 */
  readonly gapPixels?: number;
  readonly background?: readonly [number, number, number];
}

/** A picture in memory: RGB bytes [height, width, 3]. */
export interface RgbPicture {
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
}

const TILE_PIXELS_WANTED = 84;
const GAP_PIXELS_DEFAULT = 4;
const BACKGROUND_DEFAULT = [255, 255, 255] as const;

/** Screen pixels for one image pixel, so that a tile is about TILE_PIXELS_WANTED wide. */
export function defaultScale(width: number): number {
  return Math.max(1, Math.round(TILE_PIXELS_WANTED / width));
}

/** Byte of a data value in [-1, 1]; values outside are clipped. */
export function pixelOfValue(value: number): number {
  return Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));
}

/** Lays the images out row by row. One channel is grey; three are RGB; of any other number the first channel is shown. */
export function drawGrid(images: ImageBatch, options: GridOptions = {}): RgbPicture {
  const [channels, height, width] = images.shape;
  const size = channels * height * width;
  invariant(images.count > 0 && images.values.length === images.count * size, 'an image grid has as many values as images');
  const columns = options.columns ?? Math.ceil(Math.sqrt(images.count));
  const rows = Math.ceil(images.count / columns);
  const scale = options.scale ?? defaultScale(width);
  const gap = options.gapPixels ?? GAP_PIXELS_DEFAULT;
  const background = options.background ?? BACKGROUND_DEFAULT;
  const outWidth = columns * width * scale + (columns + 1) * gap;
  const outHeight = rows * height * scale + (rows + 1) * gap;
  const pixels = Buffer.alloc(outWidth * outHeight * 3);
  for (let i = 0; i < pixels.length; i += 3) pixels.set(background, i);
  const bytes = images.values instanceof Uint8Array;
  const channelStep = channels === 3 ? height * width : 0;
  for (let n = 0; n < images.count; n++) {
    const left = gap + (n % columns) * (width * scale + gap);
    const top = gap + Math.floor(n / columns) * (height * scale + gap);
    for (let y = 0; y < height * scale; y++) {
      const source = n * size + Math.floor(y / scale) * width;
      let out = ((top + y) * outWidth + left) * 3;
      for (let x = 0; x < width * scale; x++) {
        const at = source + Math.floor(x / scale);
        for (let c = 0; c < 3; c++) {
          const value = images.values[at + c * channelStep]!;
          pixels[out++] = bytes ? value : pixelOfValue(value);
        }
      }
    }
  }
  return { pixels, width: outWidth, height: outHeight };
}

/** PNG of a grid of images. */
export async function imageGridPng(images: ImageBatch, options: GridOptions = {}): Promise<Buffer> {
  return encodePng(drawGrid(images, options));
}

export async function encodePng(picture: RgbPicture): Promise<Buffer> {
  return sharp(picture.pixels, { raw: { width: picture.width, height: picture.height, channels: 3 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
}
