/** Small source files, made by the tests that read them. */

import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import type { RowSource } from '../../../client/import/row-source.js';

export function idxBytes(extents: readonly number[], values: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * extents.length);
  header[2] = 0x08;
  header[3] = extents.length;
  extents.forEach((extent, index) => header.writeUInt32BE(extent, 4 + 4 * index));
  return Buffer.concat([header, values]);
}

/** Values that differ from row to row and place to place. */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) * 7) & 255);
}

export async function writeIdxPair(
  dir: string,
  extents: readonly number[],
  gzipped = false,
): Promise<{ images: string; labels: string; values: Uint8Array }> {
  const values = pattern(extents.reduce((product, extent) => product * extent, 1));
  const suffix = gzipped ? '.gz' : '';
  const images = path.join(dir, `train-images-idx3-ubyte${suffix}`);
  const labels = path.join(dir, `train-labels-idx1-ubyte${suffix}`);
  const pack = (bytes: Buffer) => (gzipped ? gzipSync(bytes) : bytes);
  await writeFile(images, pack(idxBytes(extents, values)));
  await writeFile(
    labels,
    pack(
      idxBytes(
        [extents[0]!],
        Uint8Array.from({ length: extents[0]! }, (_, i) => i % 3),
      ),
    ),
  );
  return { images, labels, values };
}

/** All rows [first, first + count) of a source in one array. */
export async function readAll(source: RowSource, first = 0, count = source.rows): Promise<{ values: number[]; labels: number[] }> {
  const values: number[] = [];
  const labels: number[] = [];
  for await (const block of source.read(first, count)) {
    for (const value of block.values) values.push(value);
    if (block.labels) labels.push(...block.labels);
  }
  return { values, labels };
}
