/** An imported data set on disk, and its partitions in memory. */

import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { expectation, fileError, GolddiffError, invariant } from '../errors.js';
import { readManifest } from './manifest-validation.js';
import type { Manifest, ManifestPartition } from './manifest.js';
import { headerLength, parseHeader, type TensorDtype, type TensorEntry } from './safetensors.js';

export interface DataSet {
  /** absolute: where its files lie, or for a remote one what is made of it */
  readonly dir: string;
  readonly manifest: Manifest;
  /** where the files of a remote one come from; absent = they lie in dir */
  readonly files?: DataSetFiles;
}

export interface DataSetFiles {
  /**
   * A file of the manifest on the local disk, until it is released.
   * @throws DATA_UNAVAILABLE, NOT_FOUND, FILE_INVALID, LIMIT_EXCEEDED (disk or cache full); the signal's reason
   */
  take(entry: ManifestPartition, signal: AbortSignal): Promise<TakenFile>;
  /** A file that the manifest does not name, unverified; undefined where there is none. @throws as take */
  optional(name: string, bytesMax: number, signal: AbortSignal): Promise<Uint8Array | undefined>;
  /** Keeps such a file for others, where the source can be written to. */
  offer(name: string, bytes: Uint8Array): Promise<void>;
}

export interface TakenFile {
  readonly path: string;
  release(): Promise<void>;
  /** It has not the bytes that it should: it is thrown away, and the next take gets another. */
  discard(): Promise<void>;
}

/** One partition in memory, on shared buffers so that compute threads see it without a copy. */
export interface LoadedPartition {
  /** name of the data set */
  readonly dataSet: string;
  readonly partition: number;
  /** of the file, as verified */
  readonly sha256: string;
  /** n */
  readonly rows: number;
  /** [C, H, W], D = C*H*W */
  readonly shape: readonly [number, number, number];
  /** [n, D]; u8 stands for u/127.5 - 1; f32 is taken as it is */
  readonly values: Uint8Array<SharedArrayBuffer> | Float32Array<SharedArrayBuffer>;
  /** [n], -1 where the data set has no labels */
  readonly labels: Int32Array<SharedArrayBuffer>;
  /** [n] global row ids */
  readonly rowIds: Uint32Array<SharedArrayBuffer>;
}

/** Hashing 1 MiB takes about a millisecond, so a load never holds the event loop. */
const READ_BYTES = 1024 * 1024;

/** Reads and validates the manifest of DIR. Throws NOT_FOUND without a manifest, FILE_INVALID for a wrong one. */
export async function openDataSet(dir: string): Promise<DataSet> {
  return { dir: path.resolve(dir), manifest: await readManifest(dir) };
}

/**
 * Reads one partition, verifying its size, its sha256 and the shape of every tensor. Throws FILE_INVALID naming the file, NOT_FOUND for an id
 * that the data set does not have, and the signal's reason when it is aborted. Memory: the partition and 1 MiB.
 * @param taken where the file lies, if not in the folder of the data set
 */
export async function loadPartition(dataSet: DataSet, id: number, signal?: AbortSignal, taken?: string): Promise<LoadedPartition> {
  const { manifest } = dataSet;
  const entry = manifest.partitions[id];
  if (!entry) throw new GolddiffError('NOT_FOUND', expectation('partition', `an id from 0 to ${manifest.partitions.length - 1}`, id));
  const file = taken ?? path.join(dataSet.dir, entry.file);
  const handle = await openForReading(file);
  try {
    const { size } = await handle.stat();
    checkSize(file, entry.bytes, size);
    const hash = createHash('sha256');
    const prefix = await readExactly(handle, file, 0, Math.min(8, size));
    const header = await readExactly(handle, file, 8, headerLength(prefix, file, size));
    const tensors = expectedTensors(parseHeader(header, file, size), manifest, entry, file);
    hash.update(prefix).update(header);

    const labels = new Int32Array(new SharedArrayBuffer(entry.rows * 4));
    const rowIds = new Uint32Array(new SharedArrayBuffer(entry.rows * 4));
    const valueBytes = new SharedArrayBuffer(tensors.rows.bytes);
    const values = manifest.dtype === 'u8' ? new Uint8Array(valueBytes) : new Float32Array(valueBytes);
    const targets = [
      { entry: tensors.rows, bytes: new Uint8Array(valueBytes) },
      { entry: tensors.labels, bytes: new Uint8Array(labels.buffer) },
      { entry: tensors.row_ids, bytes: new Uint8Array(rowIds.buffer) },
    ];
    for await (const { offset, chunk } of chunksOf(handle, file, 8 + header.length, size, signal)) {
      hash.update(chunk);
      for (const target of targets) {
        const from = Math.max(offset, target.entry.offsetBytes);
        const to = Math.min(offset + chunk.length, target.entry.offsetBytes + target.entry.bytes);
        if (from < to) target.bytes.set(chunk.subarray(from - offset, to - offset), from - target.entry.offsetBytes);
      }
    }
    checkHash(file, entry.sha256, hash.digest('hex'));
    return { dataSet: manifest.name, partition: id, sha256: entry.sha256, rows: entry.rows, shape: manifest.shape, values, labels, rowIds };
  } finally {
    await handle.close();
  }
}

/** Re-hashes one file of a data set. `bytes` is checked where the manifest knows it. Throws FILE_INVALID naming the file. */
export async function verifyFile(file: string, sha256: string, bytes?: number, signal?: AbortSignal): Promise<void> {
  const handle = await openForReading(file);
  try {
    const { size } = await handle.stat();
    if (bytes !== undefined) checkSize(file, bytes, size);
    const hash = createHash('sha256');
    for await (const { chunk } of chunksOf(handle, file, 0, size, signal)) hash.update(chunk);
    checkHash(file, sha256, hash.digest('hex'));
  } finally {
    await handle.close();
  }
}

function checkSize(file: string, expected: number, received: number): void {
  if (expected !== received) throw fileError(file, Math.min(expected, received), `${expected} bytes in all as the manifest says`, received);
}

function checkHash(file: string, expected: string, received: string): void {
  if (expected !== received) throw new GolddiffError('FILE_INVALID', expectation(file, `sha256 ${expected}`, received), { file });
}

const TENSORS = ['rows', 'labels', 'row_ids'] as const;

function expectedTensors(entries: TensorEntry[], manifest: Manifest, partition: ManifestPartition, file: string) {
  const [channels, height, width] = manifest.shape;
  const expected: Record<(typeof TENSORS)[number], { dtype: TensorDtype; shape: number[] }> = {
    rows: { dtype: manifest.dtype === 'u8' ? 'U8' : 'F32', shape: [partition.rows, channels * height * width] },
    labels: { dtype: 'I32', shape: [partition.rows] },
    row_ids: { dtype: 'U32', shape: [partition.rows] },
  };
  const found = {} as Record<(typeof TENSORS)[number], TensorEntry>;
  for (const name of TENSORS) {
    const { dtype, shape } = expected[name];
    const entry = entries.find((candidate) => candidate.name === name);
    const received = entry ? `${entry.dtype} [${entry.shape.join(', ')}]` : 'no such tensor';
    if (entry?.dtype !== dtype || entry.shape.join() !== shape.join())
      throw fileError(file, 8, `tensor ${name} of ${dtype} [${shape.join(', ')}]`, received);
    found[name] = entry;
  }
  return found;
}

async function openForReading(file: string): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (cause) {
    throw new GolddiffError('FILE_INVALID', expectation(file, 'a readable file', (cause as NodeJS.ErrnoException).code), { file }, { cause });
  }
}

async function readExactly(handle: FileHandle, file: string, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  for (let done = 0; done < bytes;) {
    const { bytesRead } = await handle.read(buffer, done, bytes - done, offset + done);
    if (bytesRead === 0) throw fileError(file, offset + done, `${bytes - done} more bytes`, 'the end of the file');
    done += bytesRead;
  }
  return buffer;
}

/** The chunk is valid until the next one is asked for. */
async function* chunksOf(handle: FileHandle, file: string, from: number, to: number, signal: AbortSignal | undefined) {
  invariant(from <= to, 'a range of a file starts before its end');
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, Math.max(1, to - from)));
  for (let offset = from; offset < to;) {
    signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, to - offset), offset);
    if (bytesRead === 0) throw fileError(file, offset, `${to - offset} more bytes`, 'the end of the file');
    yield { offset, chunk: buffer.subarray(0, bytesRead) };
    offset += bytesRead;
  }
}
