/** Bytes of a source file in blocks, whether it is gzipped or not (told by its magic, not by its name). */

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { expectation, fileError, GolddiffError } from '../../shared/errors.js';
import type { SourceIdentity } from './row-source.js';

export interface SourceFile extends SourceIdentity {
  readonly gzipped: boolean;
}

const READ_BYTES = 1024 * 1024;
/** zlib tells a fault by the piece of input it was given: this is how near the byte in a refusal is. */
const COMPRESSED_READ_BYTES = 16 * 1024;

/** Throws FILE_INVALID where the file is missing, a folder, or empty. */
export async function openSourceFile(path: string): Promise<SourceFile> {
  const refuse = (received: string, cause?: unknown) =>
    new GolddiffError('FILE_INVALID', expectation(path, 'a readable file', received), { file: path }, { cause });
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (cause) {
    throw refuse((cause as NodeJS.ErrnoException).code ?? String(cause), cause);
  }
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw refuse('a folder');
    if (status.size === 0) throw fileError(path, 0, 'a file with contents', 'an empty file');
    const magic = Buffer.alloc(2);
    await handle.read(magic, 0, 2, 0);
    return { path, bytes: status.size, mtimeMs: status.mtimeMs, gzipped: magic[0] === 0x1f && magic[1] === 0x8b };
  } finally {
    await handle.close();
  }
}

/** Size in bytes; undefined for what is no file. */
export async function fileBytes(path: string): Promise<number | undefined> {
  return stat(path).then(
    (status) => (status.isFile() ? status.size : undefined),
    () => undefined,
  );
}

/** The first bytes of the contents, fewer where it ends before. */
export async function readStart(file: SourceFile, bytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of contents(file, 0, undefined)) {
    parts.push(chunk);
    length += chunk.length;
    if (length >= bytes) break;
  }
  return Buffer.concat(parts).subarray(0, bytes);
}

/**
 * Bytes [from, to) of the contents in blocks of `blockBytes`, the last one possibly shorter. With `toEnd` the contents must end at `to`, and
 * a gzip stream is read to its checksum. Throws FILE_INVALID at the byte where the contents end early, go on, or (byte of the compressed file)
 * are corrupt.
 */
export async function* readBlocks(
  file: SourceFile,
  range: { readonly from: number; readonly to: number; readonly toEnd: boolean },
  blockBytes: number,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  const { from, to, toEnd } = range;
  let block = Buffer.allocUnsafe(Math.min(blockBytes, to - from));
  let filled = 0;
  let offset = from;
  for await (const chunk of contents(file, from, signal)) {
    let at = 0;
    while (at < chunk.length && offset < to) {
      const copied = chunk.copy(block, filled, at);
      at += copied;
      filled += copied;
      offset += copied;
      if (filled === block.length) {
        yield block;
        block = Buffer.allocUnsafe(Math.min(blockBytes, to - offset));
        filled = 0;
      }
    }
    if (toEnd && at < chunk.length) throw fileError(file.path, to, 'the end of the contents', 'more bytes');
    if (offset === to && !toEnd) return;
  }
  if (offset < to) throw fileError(file.path, offset, `${to - offset} more bytes of contents`, 'the end of the file');
}

async function* contents(file: SourceFile, from: number, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  if (!file.gzipped) {
    for await (const chunk of createReadStream(file.path, { start: from, highWaterMark: READ_BYTES })) {
      signal?.throwIfAborted();
      yield chunk as Buffer;
    }
    return;
  }
  const raw = createReadStream(file.path, { highWaterMark: COMPRESSED_READ_BYTES });
  const gunzip = createGunzip({ chunkSize: READ_BYTES });
  raw.on('error', (cause) => gunzip.destroy(cause));
  raw.pipe(gunzip);
  let skip = from;
  try {
    for await (const chunk of gunzip as AsyncIterable<Buffer>) {
      signal?.throwIfAborted();
      const skipped = Math.min(skip, chunk.length);
      skip -= skipped;
      if (skipped < chunk.length) yield chunk.subarray(skipped);
    }
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? '';
    if (!code.startsWith('Z_')) throw thrown;
    throw fileError(file.path, gunzip.bytesWritten, 'a gzip stream that is sound from there on', (thrown as Error).message);
  } finally {
    raw.destroy();
    gunzip.destroy();
  }
}
