/**
 * What an import remembers of its progress, so that one that was killed can go on. A checkpoint says how many rows of the source are durable in
 * the partition files, with the sums so far; the labels of those rows lie in a file of their own, which only grows. Files may hold more than the
 * checkpoint says: whoever goes on cuts them.
 */

import { open, readFile, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { decodeSafetensors, encodeSafetensors, headerMetadata } from '../../shared/dataset/safetensors.js';

export interface Checkpoint {
  /** what is imported and how; a checkpoint is good only for the same */
  readonly key: string;
  /** rows of the source that are done */
  readonly rows: number;
  /** [D] */
  readonly sum: Float64Array;
  /** [D] */
  readonly sumOfSquares: Float64Array;
}

const JOURNAL_FILE = 'journal.safetensors';
const LABELS_FILE = 'journal.labels';

export class ImportJournal {
  private readonly file: string;
  private readonly labelsFile: string;

  constructor(dir: string) {
    this.file = path.join(dir, JOURNAL_FILE);
    this.labelsFile = path.join(dir, LABELS_FILE);
  }

  /** The checkpoint and labels [rows] that were written last, or undefined where there are none with this key. */
  async read(key: string): Promise<{ checkpoint: Checkpoint; labels: Int32Array } | undefined> {
    try {
      const contents = await readFile(this.file);
      const tensors = decodeSafetensors(contents, this.file);
      const metadata = headerMetadata(contents.subarray(8, 8 + Number(contents.readBigUInt64LE(0))));
      const sum = tensors.get('sum');
      const sumOfSquares = tensors.get('sum_of_squares');
      const rows = Number(metadata['rows']);
      if (metadata['key'] !== key || !sum || !sumOfSquares || !Number.isSafeInteger(rows)) return undefined;
      if ((await stat(this.labelsFile)).size < rows * 4) return undefined;
      await truncate(this.labelsFile, rows * 4);
      const labels = new Int32Array(rows);
      new Uint8Array(labels.buffer).set(await readFile(this.labelsFile));
      return { checkpoint: { key, rows, sum: new Float64Array(sum.data), sumOfSquares: new Float64Array(sumOfSquares.data) }, labels };
    } catch {
      // A journal that cannot be read is as good as none: the import starts over.
      return undefined;
    }
  }

  /** Writes a checkpoint durably. `labels` are those of the rows since the last one. Call only when the rows themselves are durable. */
  async write(checkpoint: Checkpoint, labels: Int32Array): Promise<void> {
    await writeDurably(this.labelsFile, 'a', Buffer.from(labels.buffer, labels.byteOffset, labels.byteLength));
    const shape = [checkpoint.sum.length];
    const bytes = encodeSafetensors(
      [
        { name: 'sum', dtype: 'F64', shape, data: checkpoint.sum },
        { name: 'sum_of_squares', dtype: 'F64', shape, data: checkpoint.sumOfSquares },
      ],
      { key: checkpoint.key, rows: String(checkpoint.rows) },
    );
    await writeDurably(`${this.file}.next`, 'w', bytes);
    await rename(`${this.file}.next`, this.file);
  }

  async remove(): Promise<void> {
    for (const file of [this.file, `${this.file}.next`, this.labelsFile]) await rm(file, { force: true });
  }
}

/** The bytes are on the disk when this returns. */
export async function writeDurably(file: string, flags: 'a' | 'w' | 'wx', bytes: Uint8Array): Promise<void> {
  const handle = await open(file, flags);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
