/**
 * Appends rows to many partition files at once, in bounded memory. Each file is hashed as it is written; without a folder nothing is written, and the hashes are all there is. Files are opened for each write and
 * closed again: a thousand partitions must not need a thousand descriptors, and a write is about a megabyte.
 */

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, truncate } from 'node:fs/promises';
import path from 'node:path';
import { invariant } from '../../shared/errors.js';
import { partitionFileName } from '../../shared/dataset/manifest-validation.js';
import type { ManifestPartition } from '../../shared/dataset/manifest.js';
import { layoutSafetensors, type SafetensorsLayout } from '../../shared/dataset/safetensors.js';
import { IMPORT_BUFFER_BYTES_MAX } from '../../shared/limits.js';
import { partitionRows } from './row-permutation.js';

export interface PartitionLayout {
  readonly rows: number;
  readonly partitions: number;
  /** D */
  readonly width: number;
  readonly dtype: 'u8' | 'f32';
}

interface Part {
  readonly id: number;
  readonly path: string;
  readonly rows: number;
  readonly layout: SafetensorsLayout;
  readonly hash: Hash;
  /** rows appended, in the buffer too */
  count: number;
  readonly labels: Int32Array;
  readonly rowIds: Uint32Array;
  /** allocated at the first row */
  buffer: Uint8Array | undefined;
  bufferedBytes: number;
  unsynced: boolean;
}

/** A write of a megabyte is cheap beside its open and close. */
const PART_BUFFER_BYTES_MAX = 1024 * 1024;

export class PartitionWriter {
  private readonly parts: Part[];
  private readonly rowBytes: number;
  private readonly bufferBytes: number;

  /** @param dir undefined = the files are only hashed */
  constructor(
    private readonly dir: string | undefined,
    layout: PartitionLayout,
  ) {
    const elementBytes = layout.dtype === 'u8' ? 1 : 4;
    this.rowBytes = layout.width * elementBytes;
    const bufferRows = Math.floor(Math.min(PART_BUFFER_BYTES_MAX, IMPORT_BUFFER_BYTES_MAX / layout.partitions) / this.rowBytes);
    this.bufferBytes = Math.max(1, bufferRows) * this.rowBytes;
    this.parts = Array.from({ length: layout.partitions }, (_, id) => {
      const rows = partitionRows(layout.rows, layout.partitions, id);
      return {
        id,
        path: path.join(dir ?? '', partitionFileName(id)),
        rows,
        layout: layoutSafetensors([
          { name: 'rows', dtype: layout.dtype === 'u8' ? 'U8' : 'F32', shape: [rows, layout.width] },
          { name: 'labels', dtype: 'I32', shape: [rows] },
          { name: 'row_ids', dtype: 'U32', shape: [rows] },
        ]),
        hash: createHash('sha256'),
        count: 0,
        labels: new Int32Array(rows),
        rowIds: new Uint32Array(rows),
        buffer: undefined,
        bufferedBytes: 0,
        unsynced: true,
      };
    });
  }

  /** Creates the files. */
  async start(): Promise<void> {
    for (const part of this.parts) await this.write(part, part.layout.header, 'wx');
  }

  /** Notes a row that the files already hold. Call for every such row in order, then resume. */
  noteRow(partition: number, rowId: number, label: number): void {
    this.note(this.parts[partition]!, rowId, label);
  }

  /** Cuts the files to the rows noted and hashes what they hold. Throws where a file is shorter than that. */
  async resume(signal?: AbortSignal): Promise<void> {
    for (const part of this.parts) {
      const bytes = part.layout.header.length + part.count * this.rowBytes;
      const handle = await open(part.path, 'r+');
      const { size } = await handle.stat().finally(() => handle.close());
      if (size < bytes) throw new Error(`${part.path} is shorter than its checkpoint`);
      await truncate(part.path, bytes);
      for await (const chunk of createReadStream(part.path, { highWaterMark: PART_BUFFER_BYTES_MAX })) {
        signal?.throwIfAborted();
        part.hash.update(chunk as Buffer);
      }
    }
  }

  /** Appends one row; waits for the disk when the partition's buffer is full. */
  append(partition: number, rowId: number, label: number, row: Uint8Array): Promise<void> | undefined {
    const part = this.parts[partition]!;
    this.note(part, rowId, label);
    part.buffer ??= new Uint8Array(this.bufferBytes);
    part.buffer.set(row, part.bufferedBytes);
    part.bufferedBytes += row.length;
    return part.bufferedBytes === part.buffer.length ? this.flush(part) : undefined;
  }

  /** Everything appended is on the disk, durably, when this returns. */
  async sync(): Promise<void> {
    for (const part of this.parts) {
      await this.flush(part);
      if (!part.unsynced || this.dir === undefined) continue;
      const handle = await open(part.path, 'r+');
      await handle.sync().finally(() => handle.close());
      part.unsynced = false;
    }
  }

  /** Adds labels and row ids, and answers what the manifest says of the partitions. */
  async finish(): Promise<ManifestPartition[]> {
    const entries: ManifestPartition[] = [];
    for (const part of this.parts) {
      invariant(part.count === part.rows, `partition ${part.id} has all of its rows`);
      await this.flush(part);
      await this.write(part, new Uint8Array(part.labels.buffer), 'a');
      await this.write(part, new Uint8Array(part.rowIds.buffer), 'a');
      const { fileBytes } = part.layout;
      entries.push({ id: part.id, file: path.basename(part.path), rows: part.rows, bytes: fileBytes, sha256: part.hash.digest('hex') });
      part.buffer = undefined;
    }
    await this.sync();
    return entries;
  }

  private note(part: Part, rowId: number, label: number): void {
    part.labels[part.count] = label;
    part.rowIds[part.count] = rowId;
    part.count++;
  }

  private async flush(part: Part): Promise<void> {
    if (part.buffer === undefined || part.bufferedBytes === 0) return;
    const bytes = part.buffer.subarray(0, part.bufferedBytes);
    part.bufferedBytes = 0;
    await this.write(part, bytes, 'a');
  }

  private async write(part: Part, bytes: Uint8Array, flags: 'a' | 'wx'): Promise<void> {
    part.hash.update(bytes);
    if (this.dir === undefined) return;
    part.unsynced = true;
    const handle = await open(part.path, flags);
    try {
      for (let done = 0; done < bytes.length;) done += (await handle.write(bytes, done)).bytesWritten;
    } finally {
      await handle.close();
    }
  }
}
