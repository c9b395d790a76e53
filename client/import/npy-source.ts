/** Rows from an .npy array: u1 [N, H, W], [N, C, H, W] or [N, D], or f4 of the same shapes with every value in [-1, 1]. */

import path from 'node:path';
import { fileError } from '../../shared/errors.js';
import { npyElementBytes, readNpyHeader } from '../../shared/dataset/npy.js';
import { openSourceFile, readBlocks, type SourceFile } from './byte-reader.js';
import { blockRows, checkRowShape, type RowShape } from './row-shape.js';
import type { RowBlock, RowSource } from './row-source.js';

const LABEL_MAX = 2 ** 31 - 1;
/** Where the header states dtype and shape. */
const HEADER_OFFSET_BYTES = 10;

/** Opens the array and, if named, its labels (u1, i4 or i8 [N], from 0). Both sizes are checked against the headers. */
export async function openNpySource(array: string, labelsFile?: string): Promise<RowSource> {
  // An .npy file never starts with the gzip magic.
  const file: SourceFile = { ...(await openSourceFile(array)), gzipped: false };
  const header = await readNpyHeader(array, ['u1', 'f4']);
  const [rows, ...dims] = header.shape;
  if (rows === undefined || dims.length < 1 || dims.length > 3) {
    throw fileError(array, HEADER_OFFSET_BYTES, 'shape [N, D], [N, H, W] or [N, C, H, W]', `[${header.shape.join(', ')}]`);
  }
  const shape: RowShape = [dims.at(-3) ?? 1, dims.at(-2) ?? 1, dims.at(-1)!];
  checkRowShape(array, HEADER_OFFSET_BYTES, rows, shape);
  const labels = labelsFile === undefined ? undefined : await readLabels(labelsFile, rows);
  const width = shape[0] * shape[1] * shape[2];
  const rowBytes = width * npyElementBytes(header.dtype);
  return {
    description: `npy:${array}${labelsFile === undefined ? '' : `,${labelsFile}`}`,
    defaultName: path.basename(array, '.npy'),
    shape,
    dtype: header.dtype === 'u1' ? 'u8' : 'f32',
    rows,
    labelled: labels !== undefined,
    classNames: undefined,
    identity: [file, ...(labels ? [labels.file] : [])].map(({ path: name, bytes, mtimeMs }) => ({ path: name, bytes, mtimeMs })),
    async *read(first, count, signal): AsyncGenerator<RowBlock> {
      const from = header.offsetBytes + first * rowBytes;
      const range = { from, to: from + count * rowBytes, toEnd: first + count === rows };
      let row = first;
      for await (const block of readBlocks(file, range, blockRows(rowBytes) * rowBytes, signal)) {
        const blockLength = block.length / rowBytes;
        const values = header.dtype === 'u1' ? block : floatsOf(block);
        if (values instanceof Float32Array) checkRange(values, array, row, width, header.offsetBytes);
        yield { rows: blockLength, values, labels: labels?.values.subarray(row, row + blockLength) };
        row += blockLength;
      }
    },
  };
}

/** A block may lie anywhere in its pool; floats need an aligned start. */
function floatsOf(block: Buffer): Float32Array {
  if (block.byteOffset % 4 === 0) return new Float32Array(block.buffer, block.byteOffset, block.length / 4);
  const copy = new Float32Array(block.length / 4);
  new Uint8Array(copy.buffer).set(block);
  return copy;
}

function checkRange(values: Float32Array, file: string, firstRow: number, width: number, dataOffsetBytes: number): void {
  for (let at = 0; at < values.length; at++) {
    const value = values[at]!;
    // Also true for NaN.
    if (!(value >= -1 && value <= 1)) {
      const row = firstRow + Math.floor(at / width);
      throw fileError(file, dataOffsetBytes + (firstRow * width + at) * 4, `a value in [-1, 1] (row ${row})`, value);
    }
  }
}

async function readLabels(path: string, rows: number): Promise<{ file: SourceFile; values: Int32Array }> {
  const file: SourceFile = { ...(await openSourceFile(path)), gzipped: false };
  const { dtype, shape, offsetBytes } = await readNpyHeader(path, ['u1', 'i4', 'i8']);
  if (shape.length !== 1 || shape[0] !== rows)
    throw fileError(path, HEADER_OFFSET_BYTES, `shape [${rows}], a label for each row`, `[${shape.join(', ')}]`);
  const labelBytes = npyElementBytes(dtype);
  const values = new Int32Array(rows);
  let row = 0;
  const range = { from: offsetBytes, to: offsetBytes + rows * labelBytes, toEnd: true };
  for await (const block of readBlocks(file, range, 1024 * 1024)) {
    for (let at = 0; at < block.length; at += labelBytes, row++) {
      const label = dtype === 'u1' ? block[at]! : dtype === 'i4' ? block.readInt32LE(at) : Number(block.readBigInt64LE(at));
      if (label < 0 || label > LABEL_MAX) throw fileError(path, offsetBytes + row * labelBytes, `a label from 0 to ${LABEL_MAX} (row ${row})`, label);
      values[row] = label;
    }
  }
  return { file, values };
}
