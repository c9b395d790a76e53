/**
 * Image files as rows: each is turned upright, laid on white where it is transparent, scaled to cover a square and cropped at the centre. A file is
 * decoded only when its row is read.
 */

import { availableParallelism } from 'node:os';
import sharp from 'sharp';
import { expectation, GolddiffError } from '../../shared/errors.js';
import { blockRows } from './row-shape.js';
import type { RowBlock } from './row-source.js';

export interface ImageFile {
  readonly path: string;
  /** -1 where there are no classes */
  readonly label: number;
}

export interface ImageRowOptions {
  /** pixels per side */
  readonly sizePixels: number;
  readonly channels: 'rgb' | 'grey';
  readonly labelled: boolean;
}

/** Images in a block at most: a block is decoded whole, and Ctrl-C waits for it. */
const BLOCK_IMAGES_MAX = 256;

/** [C, H, W] of every row. */
export function imageRowShape({ sizePixels, channels }: ImageRowOptions): readonly [number, number, number] {
  return [channels === 'rgb' ? 3 : 1, sizePixels, sizePixels];
}

/** Rows [first, first + count) in blocks of about a megabyte. Throws FILE_INVALID naming the file where one does not decode, even in part. */
export async function* readImageRows(
  files: readonly ImageFile[],
  options: ImageRowOptions,
  first: number,
  count: number,
  signal?: AbortSignal,
): AsyncGenerator<RowBlock> {
  const [channels, size] = imageRowShape(options);
  const rowBytes = channels * size * size;
  const perBlock = Math.min(blockRows(rowBytes), BLOCK_IMAGES_MAX);
  for (let start = first; start < first + count; start += perBlock) {
    const block = files.slice(start, Math.min(start + perBlock, first + count));
    const values = new Uint8Array(block.length * rowBytes);
    let next = 0;
    const decodeNext = async (): Promise<void> => {
      while (next < block.length) {
        signal?.throwIfAborted();
        const place = next++;
        values.set(await decodeImage(block[place]!.path, size, channels), place * rowBytes);
      }
    };
    await Promise.all(Array.from({ length: availableParallelism() }, decodeNext));
    yield { rows: block.length, values, labels: options.labelled ? Int32Array.from(block, (file) => file.label) : undefined };
  }
}

/** One image as [C, size, size]. */
async function decodeImage(file: string, size: number, channels: number): Promise<Uint8Array> {
  try {
    const upright = sharp(file, { failOn: 'warning' }).autoOrient().flatten({ background: '#ffffff' });
    const coloured = channels === 1 ? upright.greyscale() : upright.toColourspace('srgb');
    const scaled = coloured.resize(size, size, { fit: 'cover', position: 'centre' });
    const { data, info } = await scaled.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    if (info.channels !== channels) throw new Error(`${info.channels} channels after conversion`);
    return channels === 1 ? data : planesOf(data, channels, size * size);
  } catch (cause) {
    throw new GolddiffError('FILE_INVALID', expectation(file, 'an image that decodes', (cause as Error).message.split('\n')[0]), { file }, { cause });
  }
}

/** [H*W, C] to [C, H*W] */
function planesOf(pixels: Uint8Array, channels: number, count: number): Uint8Array {
  const planes = new Uint8Array(pixels.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < count; pixel++) planes[channel * count + pixel] = pixels[pixel * channels + channel]!;
  }
  return planes;
}
