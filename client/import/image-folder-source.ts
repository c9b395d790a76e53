/** A folder of images (image-rows.ts). Folders inside are classes; folders and files are taken in the order of their names' UTF-16 code units. */

import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expectation, GolddiffError } from '../../shared/errors.js';
import { imageRowShape, readImageRows } from './image-rows.js';
import type { RowSource } from './row-source.js';

export interface ImageFolderOptions {
  readonly dir: string;
  /** pixels per side */
  readonly sizePixels: number;
  readonly channels: 'rgb' | 'grey';
}

interface ListedImage {
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
  const rowOptions = { sizePixels, channels: options.channels, labelled: classNames.length > 0 };
  const paths = files.map(({ name, label }) => ({ path: path.join(dir, name), label }));
  return {
    description: `images:${dir} (${sizePixels} x ${sizePixels}, ${options.channels})`,
    defaultName: path.basename(path.resolve(dir)),
    shape: imageRowShape(rowOptions),
    dtype: 'u8',
    rows: files.length,
    labelled: rowOptions.labelled,
    classNames: classNames.length > 0 ? classNames : undefined,
    identity: [await listingIdentity(dir, files)],
    read: (first, count, signal) => readImageRows(paths, rowOptions, first, count, signal),
  };
}

async function listImages(dir: string): Promise<{ files: ListedImage[]; classNames: string[] }> {
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
  const files: ListedImage[] = [];
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

async function listingIdentity(dir: string, files: readonly ListedImage[]) {
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
