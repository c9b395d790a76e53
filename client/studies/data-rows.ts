/**
 * Single rows of a data set folder, read at their place in the partition files without reading the rest. A study needs a few images of a set that may have
 * many gigabytes; what the files hold is verified by the workers that load them.
 */

import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { DataSet } from '../../shared/dataset/data-set.js';
import { headerLength, parseHeader, type TensorEntry } from '../../shared/dataset/safetensors.js';
import { fileError, invariant } from '../../shared/errors.js';

const PREFIX_BYTES = 8;

/** Rows by their position: 0 .. N-1 through the partitions in order, which is no order of the source. */
export class DataRows {
  readonly #dataSet: DataSet;
  readonly #files = new Map<number, { handle: FileHandle; file: string; rows: TensorEntry; labels: TensorEntry }>();

  constructor(dataSet: DataSet) {
    this.#dataSet = dataSet;
  }

  /** [D] in [-1, 1]. Throws FILE_INVALID naming the file where it is not what the manifest says. */
  async values(position: number): Promise<Float64Array> {
    const { dtype, shape } = this.#dataSet.manifest;
    const size = shape[0] * shape[1] * shape[2];
    const { file, handle, rows, place } = await this.#find(position);
    const bytes = await readExactly(handle, file, rows.offsetBytes + place * (rows.bytes / rows.shape[0]!), rows.bytes / rows.shape[0]!);
    if (dtype === 'u8') return Float64Array.from(bytes, (value) => value / 127.5 - 1);
    return Float64Array.from({ length: size }, (_, p) => bytes.readFloatLE(p * 4));
  }

  /** -1 where the data set has no classes. */
  async label(position: number): Promise<number> {
    const { file, handle, labels, place } = await this.#find(position);
    return (await readExactly(handle, file, labels.offsetBytes + place * 4, 4)).readInt32LE(0);
  }

  async close(): Promise<void> {
    for (const { handle } of this.#files.values()) await handle.close();
    this.#files.clear();
  }

  async #find(position: number): Promise<{ handle: FileHandle; file: string; rows: TensorEntry; labels: TensorEntry; place: number }> {
    let place = position;
    for (const { id, rows } of this.#dataSet.manifest.partitions) {
      if (place < rows) return { ...(await this.#open(id)), place };
      place -= rows;
    }
    invariant(false, `position ${position} is a row of the data set`);
  }

  async #open(id: number): Promise<{ handle: FileHandle; file: string; rows: TensorEntry; labels: TensorEntry }> {
    const known = this.#files.get(id);
    if (known !== undefined) return known;
    const { dir, manifest } = this.#dataSet;
    const entry = manifest.partitions[id]!;
    const file = path.join(dir, entry.file);
    const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
      throw fileError(file, 0, 'a partition that can be read', cause.code);
    });
    try {
      const { size } = await handle.stat();
      const length = headerLength(await readExactly(handle, file, 0, PREFIX_BYTES), file, size);
      const tensors = parseHeader(await readExactly(handle, file, PREFIX_BYTES, length), file, size);
      const rows = tensors.find(({ name }) => name === 'rows');
      const labels = tensors.find(({ name }) => name === 'labels');
      const width = manifest.shape[0] * manifest.shape[1] * manifest.shape[2];
      const wanted = `${manifest.dtype === 'u8' ? 'U8' : 'F32'} ${entry.rows},${width}`;
      if (rows === undefined || labels === undefined || `${rows.dtype} ${rows.shape.join()}` !== wanted)
        throw fileError(file, PREFIX_BYTES, `rows of ${wanted} and labels`, tensors.map(({ name }) => name).join(', '));
      const opened = { handle, file, rows, labels };
      this.#files.set(id, opened);
      return opened;
    } catch (thrown) {
      await handle.close();
      throw thrown;
    }
  }
}

async function readExactly(handle: FileHandle, file: string, offsetBytes: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await handle.read(buffer, 0, bytes, offsetBytes);
  if (bytesRead < bytes) throw fileError(file, offsetBytes + bytesRead, `${bytes - bytesRead} more bytes`, 'the end of the file');
  return buffer;
}
