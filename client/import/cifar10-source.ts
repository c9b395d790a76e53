/**
 * CIFAR-10, binary version (https://www.cs.toronto.edu/~kriz/cifar.html): data_batch_1.bin to data_batch_5.bin, rows of one label byte and
 * 3 x 32 x 32 values, channel by channel.
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileError } from '../../shared/errors.js';
import { openSourceFile, readBlocks, type SourceFile } from './byte-reader.js';
import { blockRows, checkRowShape } from './row-shape.js';
import type { RowBlock, RowSource } from './row-source.js';

const BATCHES = 5;
const CLASSES = 10;
const SHAPE = [3, 32, 32] as const;
const VALUES = 3 * 32 * 32;
const ROW_BYTES = 1 + VALUES;

/** Opens the five training batches of DIR; class names come from batches.meta.txt where it is there. */
export async function openCifar10Source(dir: string): Promise<RowSource> {
  const files: (SourceFile & { readonly rows: number })[] = [];
  for (let batch = 1; batch <= BATCHES; batch++) {
    const file = await openSourceFile(path.join(dir, `data_batch_${batch}.bin`));
    const whole = file.bytes - (file.bytes % ROW_BYTES);
    if (file.bytes !== whole) throw fileError(file.path, whole, `whole rows of ${ROW_BYTES} bytes`, `${file.bytes - whole} bytes`);
    // A batch never starts with the gzip magic as a row: 0x1f is no label.
    files.push({ ...file, gzipped: false, rows: whole / ROW_BYTES });
  }
  const rows = files.reduce((sum, file) => sum + file.rows, 0);
  checkRowShape(files[0]!.path, 0, rows, SHAPE);
  return {
    description: `cifar10:${dir}`,
    defaultName: 'cifar10',
    shape: SHAPE,
    dtype: 'u8',
    rows,
    labelled: true,
    classNames: await readClassNames(dir),
    identity: files.map(({ path: file, bytes, mtimeMs }) => ({ path: file, bytes, mtimeMs })),
    async *read(first, count, signal): AsyncGenerator<RowBlock> {
      let fileFirst = 0;
      for (const file of files) {
        const from = Math.max(first, fileFirst) - fileFirst;
        const to = Math.min(first + count, fileFirst + file.rows) - fileFirst;
        fileFirst += file.rows;
        if (from >= to) continue;
        const range = { from: from * ROW_BYTES, to: to * ROW_BYTES, toEnd: to === file.rows };
        let offset = range.from;
        for await (const block of readBlocks(file, range, blockRows(ROW_BYTES) * ROW_BYTES, signal)) {
          yield splitLabels(block, file.path, offset);
          offset += block.length;
        }
      }
    },
  };
}

function splitLabels(block: Buffer, file: string, offset: number): RowBlock {
  const rows = block.length / ROW_BYTES;
  const values = new Uint8Array(rows * VALUES);
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const at = row * ROW_BYTES;
    const label = block[at]!;
    if (label >= CLASSES) throw fileError(file, offset + at, 'a label from 0 to 9', label);
    labels[row] = label;
    values.set(block.subarray(at + 1, at + ROW_BYTES), row * VALUES);
  }
  return { rows, values, labels };
}

async function readClassNames(dir: string): Promise<string[] | undefined> {
  const file = path.join(dir, 'batches.meta.txt');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const names = text.split('\n').flatMap((line) => (line.trim() === '' ? [] : [line.trim()]));
  if (names.length !== CLASSES) throw fileError(file, 0, `${CLASSES} class names, one a line`, names.length);
  return names;
}
