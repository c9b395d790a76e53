/**
 * A folder of images: each is turned upright, laid on white where it is transparent, scaled to cover a square and cropped at the centre. Folders
 * inside are classes; folders and files are taken in the order of their names' UTF-16 code units.
 */

import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { expectation, GolddiffError } from '../../shared/errors.js';
import { blockRows } from './row-shape.js';
import type { RowBlock, RowSource } from './row-source.js';

export interface ImageFolderOptions {
  readonly dir: string;
  /** pixels per side */
  readonly sizePixels: number;
  readonly channels: 'rgb' | 'grey';
}

interface ImageFile {
  /** relative to the folder */
  readonly name: string;
  /** -1 where there are no classes */
  readonly label: number;
}

const EXTENSIONS = new Set(['.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff', '.avif']);

/** Lists the folder; an image is decoded only when its row is read. Throws FILE_INVALID for no images, or for images beside class folders. */
export async function openImageFolderSource(options: ImageFolderOptions): Promise<RowSource> {
  const { dir, sizePixels } = options;
  const { files, classNames } = await listImages(dir);
  const channels = options.channels === 'rgb' ? 3 : 1;
  const rowBytes = channels * sizePixels * sizePixels;
  return {
    description: `images:${dir} (${sizePixels} x ${sizePixels}, ${options.channels})`,
    defaultName: path.basename(path.resolve(dir)),
    shape: [channels, sizePixels, sizePixels],
    dtype: 'u8',
    rows: files.length,
    labelled: classNames.length > 0,
    classNames: classNames.length > 0 ? classNames : undefined,
    identity: [await listingIdentity(dir, files)],
    async *read(first, count, signal): AsyncGenerator<RowBlock> {
      const perBlock = Math.min(blockRows(rowBytes), 256);
      for (let start = first; start < first + count; start += perBlock) {
        const block = files.slice(start, Math.min(start + perBlock, first + count));
        const values = new Uint8Array(block.length * rowBytes);
        let next = 0;
        const decodeNext = async (): Promise<void> => {
          while (next < block.length) {
            signal?.throwIfAborted();
            const place = next++;
            values.set(await decodeImage(path.join(dir, block[place]!.name), sizePixels, channels), place * rowBytes);
          }
        };
        await Promise.all(Array.from({ length: availableParallelism() }, decodeNext));
        yield { rows: block.length, values, labels: classNames.length > 0 ? Int32Array.from(block, (file) => file.label) : undefined };
      }
    },
  };
}

/** One image as [C, size, size]. Throws FILE_INVALID naming the file where it does not decode, even in part. */
async function decodeImage(file: string, size: number, channels: 1 | 3): Promise<Uint8Array> {
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

async function listImages(dir: string): Promise<{ files: ImageFile[]; classNames: string[] }> {
  const refuse = (expected: string, received: unknown) => new GolddiffError('FILE_INVALID', expectation(dir, expected, received), { file: dir });
  const top = await namesIn(dir).catch((cause: NodeJS.ErrnoException) => {
    throw refuse('a readable folder', cause.code);
  });
  if (top.images.length > 0) {
    for (const folder of top.folders) {
      if ((await namesIn(path.join(dir, folder))).images.length > 0)
        throw refuse('images either all in class folders or none', `${top.images[0]} beside folder ${folder}`);
    }
    return { files: top.images.map((name) => ({ name, label: -1 })), classNames: [] };
  }
  const files: ImageFile[] = [];
  const classNames: string[] = [];
  for (const folder of top.folders) {
    const { images } = await namesIn(path.join(dir, folder));
    if (images.length === 0) continue;
    for (const name of images) files.push({ name: path.join(folder, name), label: classNames.length });
    classNames.push(folder);
  }
  if (files.length === 0) throw refuse(`images (${[...EXTENSIONS].join(' ')})`, 'none');
  return { files, classNames };
}

async function namesIn(dir: string): Promise<{ images: string[]; folders: string[] }> {
  const entries = (await readdir(dir, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
  const images = entries.filter((entry) => !entry.isDirectory() && EXTENSIONS.has(path.extname(entry.name).toLowerCase()));
  const folders = entries.filter((entry) => entry.isDirectory());
  return { images: images.map(({ name }) => name).sort(), folders: folders.map(({ name }) => name).sort() };
}

async function listingIdentity(dir: string, files: readonly ImageFile[]) {
  const hash = createHash('sha256');
  let bytes = 0;
  let mtimeMs = 0;
  for (const { name } of files) {
    const status = await stat(path.join(dir, name));
    bytes += status.size;
    mtimeMs = Math.max(mtimeMs, status.mtimeMs);
    hash.update(`${name}\0${status.size}\0${status.mtimeMs}\n`);
  }
  return { path: `${dir}#${hash.digest('hex')}`, bytes, mtimeMs };
}
