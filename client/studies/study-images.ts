/**
 * The clean images of a study. Images that the data set does not hold show what a sampler meets; rows of the data set itself, which are always at hand, sit on
 * their own noised image, so that at low noise each finds exactly itself.
 */

import path from 'node:path';

import { openDataSet } from '../../shared/dataset/data-set.js';
import { readNpy } from '../../shared/dataset/npy.js';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import { openSource } from '../import/open-source.js';
import { RowPermutation } from '../import/row-permutation.js';
import { DataRows } from './data-rows.js';

export interface StudyImages {
  /** [count, D] in [-1, 1] */
  readonly values: Float64Array;
  readonly count: number;
  /** for people, after the number of images: `held-out images (FILE)`, `rows of mnist itself` */
  readonly origin: string;
  readonly heldOut: boolean;
}

export interface StudyImageOptions {
  /** an .npy file or a source of dataset import; default: rows of the data set in dataDir */
  readonly input?: string | undefined;
  readonly dataDir?: string | undefined;
  /** images at most; fewer where there are fewer */
  readonly count: number;
  /** of the choice of rows */
  readonly seed: number;
  /** only rows of this class, where they are those of the data set */
  readonly label?: number | undefined;
  /** [C, H, W] of the data set */
  readonly shape: readonly number[];
}

/** Throws ARGUMENT_INVALID where there is nothing to take images from or they have another shape; FILE_INVALID for a bad file. */
export async function readStudyImages(options: StudyImageOptions, signal?: AbortSignal): Promise<StudyImages> {
  const { input, dataDir } = options;
  if (input !== undefined)
    return input.endsWith('.npy') && !input.startsWith('npy:') ? fromArray(input, options) : fromSource(input, options, signal);
  if (dataDir === undefined)
    throw argumentError('--input', 'images (.npy, or a source such as idx:FILE), as a cluster does not give out its rows,', 'none with --endpoint');
  return fromDataSet(dataDir, options);
}

async function fromDataSet(dir: string, { count, seed, label }: StudyImageOptions): Promise<StudyImages> {
  const dataSet = await openDataSet(dir);
  const { rows, name, shape, classes } = dataSet.manifest;
  if (label !== undefined && !classes.some((each) => each.label === label && each.rows > 0))
    throw argumentError('--label', `a class of ${name} that has rows`, label);
  const order = new RowPermutation(rows, seed);
  const found: Float64Array[] = [];
  const reader = new DataRows(dataSet);
  try {
    for (let place = 0; place < rows && found.length < count; place++) {
      const position = order.position(place);
      if (label === undefined || (await reader.label(position)) === label) found.push(await reader.values(position));
    }
  } finally {
    await reader.close();
  }
  const values = new Float64Array(found.length * shape[0] * shape[1] * shape[2]);
  found.forEach((row, i) => values.set(row, i * row.length));
  return { values, count: found.length, origin: `rows of ${name} itself`, heldOut: false };
}

/** u1 pixels, or floats in [-1, 1]. */
async function fromArray(file: string, { count, shape }: StudyImageOptions): Promise<StudyImages> {
  const array = await readNpy(file);
  const [images = 0, ...inner] = array.shape;
  checkShape(file, inner, shape);
  const taken = Math.min(count, images);
  if (taken === 0) throw argumentError('--input', 'at least one image', `${file} of shape [${array.shape.join(', ')}]`);
  const data = array.data.subarray(0, taken * sizeOf(shape));
  const outside = data instanceof Uint8Array ? -1 : data.findIndex((value) => !(value >= -1 && value <= 1));
  if (outside >= 0)
    throw new GolddiffError('FILE_INVALID', `Expected values in [-1, 1] for ${file} but received ${data[outside]} at place ${outside}`, { file });
  return { values: valuesOf(data), count: taken, origin: `held-out images (${path.basename(file)})`, heldOut: true };
}

async function fromSource(source: string, { count, shape }: StudyImageOptions, signal?: AbortSignal): Promise<StudyImages> {
  const opened = await openSource(source, { signal });
  checkShape(source, opened.shape, shape);
  const taken = Math.min(count, opened.rows);
  const values = new Float64Array(taken * sizeOf(shape));
  let at = 0;
  for await (const block of opened.read(0, taken, signal)) {
    values.set(valuesOf(block.values), at);
    at += block.values.length;
  }
  return { values, count: taken, origin: `held-out images (${path.basename(source.split(',')[0]!)})`, heldOut: true };
}

/** Rows may also come flat, [N, D]. */
function checkShape(name: string, received: readonly number[], wanted: readonly number[]): void {
  const flat = received.join() === String(sizeOf(wanted));
  const grey = wanted[0] === 1 && received.join() === wanted.slice(1).join();
  if (received.join() !== wanted.join() && !flat && !grey)
    throw argumentError('--input', `images of shape [${wanted.join(', ')}], as the data set has,`, `${name} of [${received.join(', ')}]`);
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

function valuesOf(data: Uint8Array | Float32Array | Float64Array): Float64Array {
  return data instanceof Uint8Array ? Float64Array.from(data, (value) => value / 127.5 - 1) : Float64Array.from(data);
}
