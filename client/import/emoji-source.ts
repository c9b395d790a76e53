/**
 * Colour images of a licence that lets them go around: the emoji of three sets (docs/DATA.md has their authors and licences), one row for each image, in
 * the order of the sets and of the file names. Classes are Unicode's groups of emoji. Files that are the same byte for byte (flags of a territory and of its
 * country) are one row; the same emoji in two sets, or in five skin tones, are rows of their own and near to each other.
 *
 * The packages are 150 MB, most of it sprite sheets, so they are no dependency: npm-package.ts fetches them at the first import and keeps the single images, 44 MB.
 */

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { expectation, GolddiffError } from '../../shared/errors.js';
import { imageRowShape, readImageRows, type ImageFile } from './image-rows.js';
import { npmPackageFolder, type FetchOptions, type NpmPackage } from './npm-package.js';
import type { RowSource } from './row-source.js';

interface EmojiSet extends NpmPackage {
  /** folder of the images inside the package */
  readonly images: string;
}

/** Names, groups and the list of all emoji; part of the two packages of the same project. */
const CATALOGUE = 'emoji.json';
const LEGAL_FILES = ['package.json', 'README.md', 'LICENSE'];

function emojiSet(name: string, version: string, integrity: string, images: string): EmojiSet {
  const kept = [CATALOGUE, ...LEGAL_FILES];
  return { name, version, integrity, images, keep: (file) => kept.includes(file) || path.posix.dirname(file) === images };
}

export const EMOJI_SETS: readonly EmojiSet[] = [
  emojiSet(
    'emoji-datasource-google',
    '16.0.0',
    'sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==',
    'img/google/64',
  ),
  emojiSet(
    'emoji-datasource-twitter',
    '16.0.0',
    'sha512-7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/dstIfSDMtpjFLWuZewWg8jBbuL2eyELQ==',
    'img/twitter/64',
  ),
  emojiSet(
    '@lobehub/fluent-emoji-3d',
    '1.1.0',
    'sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==',
    'assets',
  ),
];
const IMAGE_FILE = /\.(png|webp)$/;
/** For an emoji that the catalogue does not have. */
const UNKNOWN_GROUP = 'Other';

export interface EmojiOptions extends FetchOptions {
  /** folder that holds the packages, as node_modules does; default: the cache, filled where it is empty */
  readonly dir?: string | undefined;
  readonly sizePixels: number;
  readonly channels: 'rgb' | 'grey';
  /** told before each package that has to be looked for */
  readonly onFetch?: ((done: number, total: number, name: string) => void) | undefined;
}

/** Throws NOT_FOUND where a package is neither there nor to be fetched, with what to do; FILE_INVALID for a folder without its images. */
export async function openEmojiSource(options: EmojiOptions): Promise<RowSource> {
  const folders = await packageFolders(options);
  const groups = await readCatalogue(path.join(folders[0]!, CATALOGUE));
  const files: ImageFile[] = [];
  const seen = new Set<string>();
  const listing = createHash('sha256');
  const groupNames = [...new Set(groups.values())];
  let bytes = 0;
  for (const [place, { name, images }] of EMOJI_SETS.entries()) {
    const folder = path.join(folders[place]!, images);
    for (const file of await imagesIn(folder)) {
      options.signal?.throwIfAborted();
      const contents = await readFile(path.join(folder, file));
      const sha256 = createHash('sha256').update(contents).digest('hex');
      if (seen.has(sha256)) continue;
      seen.add(sha256);
      listing.update(`${name}/${file}\0${sha256}\n`);
      bytes += contents.length;
      const group = groups.get(emojiKey(file.replace(IMAGE_FILE, ''))) ?? UNKNOWN_GROUP;
      if (!groupNames.includes(group)) groupNames.push(group);
      files.push({ path: path.join(folder, file), label: groupNames.indexOf(group) });
    }
  }
  const rowOptions = { sizePixels: options.sizePixels, channels: options.channels, labelled: true };
  const versions = options.dir === undefined ? EMOJI_SETS.map(({ name, version }) => `${name}@${version}`) : [`from ${options.dir}`];
  return {
    description: `emoji (${options.sizePixels} x ${options.sizePixels}, ${options.channels}; ${versions.join(', ')})`,
    defaultName: 'emoji',
    shape: imageRowShape(rowOptions),
    dtype: 'u8',
    rows: files.length,
    labelled: true,
    classNames: groupNames,
    // By contents alone: the same files in another cache are the same source.
    identity: [{ path: `emoji#${listing.digest('hex')}`, bytes, mtimeMs: 0 }],
    read: (first, count, signal) => readImageRows(files, rowOptions, first, count, signal),
  };
}

async function packageFolders(options: EmojiOptions): Promise<string[]> {
  const { dir } = options;
  if (dir !== undefined) return EMOJI_SETS.map(({ name }) => path.join(dir, name));
  const folders: string[] = [];
  for (const [place, set] of EMOJI_SETS.entries()) {
    options.onFetch?.(place, EMOJI_SETS.length, `${set.name}@${set.version}`);
    try {
      folders.push(await npmPackageFolder(set, options));
    } catch (thrown) {
      if (!(thrown instanceof GolddiffError) || thrown.code !== 'NOT_FOUND') throw thrown;
      const advice = `; where npm reaches no registry, bring the folders ${EMOJI_SETS.map(({ name }) => name).join(', ')} and name what holds them as emoji:DIR`;
      throw new GolddiffError('NOT_FOUND', `${thrown.message}${advice}`, {}, { cause: thrown });
    }
  }
  options.onFetch?.(EMOJI_SETS.length, EMOJI_SETS.length, '');
  return folders;
}

async function imagesIn(folder: string): Promise<string[]> {
  const refuse = (received: string, cause?: unknown): GolddiffError =>
    new GolddiffError('FILE_INVALID', expectation(folder, 'a folder of emoji images (.png or .webp)', received), { file: folder }, { cause });
  const names = await readdir(folder).catch((cause: NodeJS.ErrnoException) => {
    throw refuse(cause.code ?? cause.message, cause);
  });
  const images = names.filter((name) => IMAGE_FILE.test(name)).sort();
  if (images.length === 0) throw refuse('none');
  return images;
}

interface CatalogueEntry {
  readonly unified: string;
  readonly category: string;
  readonly skin_variations?: Readonly<Record<string, { readonly unified: string }>>;
}

/** Group of each emoji, by emojiKey; groups in the order of their first emoji. */
async function readCatalogue(file: string): Promise<Map<string, string>> {
  const groups = new Map<string, string>();
  try {
    for (const { unified, category, skin_variations: variations } of JSON.parse(await readFile(file, 'utf8')) as CatalogueEntry[])
      for (const name of [unified, ...Object.values(variations ?? {}).map((variation) => variation.unified)]) groups.set(emojiKey(name), category);
  } catch (cause) {
    const received = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new GolddiffError('FILE_INVALID', expectation(file, 'the list of emoji', received), { file }, { cause });
  }
  return groups;
}

/** Code points without what sets write differently: case, leading zeros, the variation selector FE0F and the cancel tag E007F. */
export function emojiKey(name: string): string {
  const points = name.toLowerCase().split(/[-_]/);
  return points
    .map((point) => point.replace(/^0+/, ''))
    .filter((point) => point !== 'fe0f' && point !== 'e007f')
    .join('-');
}
