/** The mean of all rows as a picture: in a PNG, or small in a terminal. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { verifyFile, type DataSet } from '../../shared/dataset/data-set.js';
import { decodeSafetensors } from '../../shared/dataset/safetensors.js';
import { expectation, fileError, GolddiffError } from '../../shared/errors.js';

const TERMINAL_COLUMNS_MAX = 56;
const TERMINAL_LINES_MAX = 28;
/** Small images are enlarged for people, in whole steps. */
const PNG_PIXELS_MIN = 224;

/** 8-bit pixels [H, W, 3]; values from -1 to 1 become 0 to 255. */
export interface MeanImage {
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
}

/**
 * Mean of the statistics file, verified. One channel shows as grey, three as RGB, of others the first. Throws FILE_INVALID naming the file.
 */
export async function readMeanImage({ dir, manifest }: DataSet): Promise<MeanImage> {
  const file = path.join(dir, manifest.statistics.file);
  await verifyFile(file, manifest.statistics.sha256);
  const [channels, height, width] = manifest.shape;
  const tensor = decodeSafetensors(await readFile(file), file).get('mean');
  const count = height * width;
  if (tensor?.dtype !== 'F64' || tensor.shape.join() !== String(channels * count)) {
    throw fileError(file, 8, `tensor mean of F64 [${channels * count}]`, tensor ? `${tensor.dtype} [${tensor.shape.join(', ')}]` : 'no such tensor');
  }
  const mean = new Float64Array(tensor.data);
  const pixels = new Uint8Array(count * 3);
  for (let pixel = 0; pixel < count; pixel++) {
    for (let colour = 0; colour < 3; colour++) {
      const value = mean[(channels === 3 ? colour : 0) * count + pixel]!;
      pixels[pixel * 3 + colour] = Math.round(Math.min(1, Math.max(-1, value)) * 127.5 + 127.5);
    }
  }
  return { height, width, pixels };
}

/** Throws FILE_INVALID where the file cannot be written. */
export async function writeMeanImage(image: MeanImage, file: string): Promise<void> {
  const scale = Math.max(1, Math.ceil(PNG_PIXELS_MIN / Math.max(image.width, image.height)));
  try {
    await asSharp(image)
      .resize(image.width * scale, image.height * scale, { kernel: 'nearest', fit: 'fill' })
      .png()
      .toFile(file);
  } catch (cause) {
    throw new GolddiffError('FILE_INVALID', expectation(file, 'a .png path that can be written', (cause as Error).message), { file }, { cause });
  }
}

/** Lines of half blocks in 24-bit colour: two pixels in each character, the upper as its colour, the lower as its background. */
export async function drawMeanImage(image: MeanImage): Promise<string> {
  const shrink = Math.min(1, TERMINAL_COLUMNS_MAX / image.width, (2 * TERMINAL_LINES_MAX) / image.height);
  const width = Math.max(1, Math.round(image.width * shrink));
  const height = Math.max(1, Math.round(image.height * shrink));
  const small = await asSharp(image).resize(width, height, { fit: 'fill' }).raw().toBuffer();
  const colour = (x: number, y: number): string => [0, 1, 2].map((c) => (y < height ? small[(y * width + x) * 3 + c]! : 0)).join(';');
  const lines = [];
  for (let y = 0; y < height; y += 2) {
    const cells = Array.from({ length: width }, (_, x) => `\x1b[38;2;${colour(x, y)};48;2;${colour(x, y + 1)}m▀`);
    lines.push(`${cells.join('')}\x1b[0m`);
  }
  return lines.join('\n');
}

function asSharp({ pixels, width, height }: MeanImage): Sharp {
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}
