/**
 * IDX files (the format of MNIST): two zero bytes, a type byte, the number of dimensions, each extent as a big-endian 32-bit integer, then the
 * values. Images are unsigned bytes [N, H, W] or [N, C, H, W], labels unsigned bytes [N]; both may be gzipped.
 */

import { fileError } from '../../shared/errors.js';
import { openSourceFile, readBlocks, readStart, type SourceFile } from './byte-reader.js';
import { blockRows, checkRowShape, type RowShape } from './row-shape.js';
import type { RowBlock, RowSource } from './row-source.js';

export interface IdxSourceOptions {
  readonly images: string;
  readonly labels?: string | undefined;
  readonly name: string;
  readonly description: string;
  readonly classNames?: readonly string[] | undefined;
}

interface IdxHeader {
  readonly extents: readonly number[];
  readonly headerBytes: number;
}

const UNSIGNED_BYTE = 0x08;

/** Opens both files and checks their headers and, where they are not compressed, their sizes. Labels (N bytes) are read at once. */
export async function openIdxSource(options: IdxSourceOptions): Promise<RowSource> {
  const images = await openSourceFile(options.images);
  const { extents, headerBytes } = await readIdxHeader(images, [3, 4]);
  const [rows, ...dims] = extents as [number, ...number[]];
  const shape: RowShape = dims.length === 2 ? [1, dims[0]!, dims[1]!] : [dims[0]!, dims[1]!, dims[2]!];
  checkRowShape(images.path, 4, rows, shape);
  const labels = options.labels === undefined ? undefined : await readLabels(options.labels, rows);
  const rowBytes = shape[0] * shape[1] * shape[2];
  const contentBytes = headerBytes + rows * rowBytes;
  return {
    description: options.description,
    defaultName: options.name,
    shape,
    dtype: 'u8',
    rows,
    labelled: labels !== undefined,
    classNames: labels === undefined ? undefined : options.classNames,
    identity: [images, ...(labels ? [labels.file] : [])].map(({ path, bytes, mtimeMs }) => ({ path, bytes, mtimeMs })),
    async *read(first, count, signal): AsyncGenerator<RowBlock> {
      const from = headerBytes + first * rowBytes;
      const to = from + count * rowBytes;
      let row = first;
      for await (const values of readBlocks(images, { from, to, toEnd: to === contentBytes }, blockRows(rowBytes) * rowBytes, signal)) {
        const blockLength = values.length / rowBytes;
        yield { rows: blockLength, values, labels: labels && Int32Array.from(labels.values.subarray(row, row + blockLength)) };
        row += blockLength;
      }
    },
  };
}

async function readLabels(path: string, rows: number): Promise<{ file: SourceFile; values: Uint8Array }> {
  const file = await openSourceFile(path);
  const { extents, headerBytes } = await readIdxHeader(file, [1]);
  if (extents[0] !== rows) throw fileError(path, 4, `${rows} labels, one for each image`, extents[0]);
  const parts: Buffer[] = [];
  for await (const block of readBlocks(file, { from: headerBytes, to: headerBytes + rows, toEnd: true }, 1024 * 1024)) parts.push(block);
  return { file, values: Buffer.concat(parts) };
}

/** Checks the size of a file that is not compressed; a compressed one shows it only as it is read. */
async function readIdxHeader(file: SourceFile, dimensions: readonly number[]): Promise<IdxHeader> {
  const start = await readStart(file, 4 + 4 * Math.max(...dimensions));
  const expected = `IDX magic 00 00 08 0${dimensions.join(' or 00 00 08 0')}`;
  if (start.length < 4) throw fileError(file.path, start.length, expected, 'the end of the contents');
  const count = start[3]!;
  if (start[0] !== 0 || start[1] !== 0 || start[2] !== UNSIGNED_BYTE || !dimensions.includes(count)) {
    throw fileError(file.path, 0, expected, start.subarray(0, 4).toString('hex'));
  }
  const headerBytes = 4 + 4 * count;
  if (start.length < headerBytes) throw fileError(file.path, start.length, `${headerBytes} bytes of IDX header`, 'the end of the contents');
  const extents = Array.from({ length: count }, (_, index) => start.readUInt32BE(4 + 4 * index));
  const contentBytes = extents.reduce((product, extent) => product * extent, 1) + headerBytes;
  if (!file.gzipped && file.bytes !== contentBytes) {
    throw fileError(file.path, Math.min(file.bytes, contentBytes), `${contentBytes} bytes in all for [${extents.join(', ')}]`, file.bytes);
  }
  return { extents, headerBytes };
}
