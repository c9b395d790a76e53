/**
 * .npy files (numpy.lib.format, versions 1 to 3) in C order, little-endian: f4, f8, u1 and, for labels, i4 and i8. Anything else is refused by
 * one sentence that says what numpy call would make it fit.
 */

import { randomBytes } from 'node:crypto';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import { expectation, fileError, GolddiffError, invariant } from '../errors.js';

const DESCRIPTORS = { '<f4': 'f4', '<f8': 'f8', '|u1': 'u1', u1: 'u1', '<i4': 'i4', '<i8': 'i8' } as const;
export type NpyDtype = (typeof DESCRIPTORS)[keyof typeof DESCRIPTORS];
const ELEMENT_BYTES: Record<NpyDtype, number> = { f4: 4, f8: 8, u1: 1, i4: 4, i8: 8 };
const MAGIC = Buffer.from('\x93NUMPY', 'latin1');
/** numpy's own reader refuses longer headers unless told to trust the file. */
const HEADER_BYTES_MAX = 65_536;
/** Reads and writes over 2 GiB fail in Node. */
const TRANSFER_BYTES = 64 * 1024 * 1024;

export interface NpyHeader {
  readonly dtype: NpyDtype;
  /** [] is a scalar */
  readonly shape: readonly number[];
  /** where the values start in the file */
  readonly offsetBytes: number;
}

export interface NpyArray {
  readonly shape: readonly number[];
  /** C order */
  readonly data: Float32Array | Float64Array | Uint8Array;
}

/** Element size in bytes. */
export function npyElementBytes(dtype: NpyDtype): number {
  return ELEMENT_BYTES[dtype];
}

/** Header of a file, checked against the size of the file. Throws FILE_INVALID with file and byte. */
export async function readNpyHeader(file: string, dtypes: readonly NpyDtype[] = ['f4', 'f8', 'u1']): Promise<NpyHeader> {
  return withFile(file, async (handle, fileBytes) => {
    const start = Buffer.alloc(Math.min(fileBytes, HEADER_BYTES_MAX));
    await transfer(start, (part, at) => handle.read(part, 0, part.length, at).then((r) => r.bytesRead));
    return parseNpyHeader(start, file, fileBytes, dtypes);
  });
}

/** `start` holds the first bytes of the file, as many as there are up to 64 KiB. */
export function parseNpyHeader(start: Buffer, file: string, fileBytes: number, dtypes: readonly NpyDtype[]): NpyHeader {
  if (start.length < 10 || !start.subarray(0, 6).equals(MAGIC))
    throw fileError(file, 0, 'the magic bytes of an .npy file', start.toString('latin1', 0, 6));
  const version = start[6]!;
  if (version < 1 || version > 3) throw fileError(file, 6, 'an .npy version from 1 to 3', version);
  const prefixBytes = version === 1 ? 10 : 12;
  if (start.length < prefixBytes) throw fileError(file, start.length, 'a header length', 'the end of the file');
  const headerBytes = version === 1 ? start.readUInt16LE(8) : start.readUInt32LE(8);
  const offsetBytes = prefixBytes + headerBytes;
  if (offsetBytes > start.length) throw fileError(file, 8, `a header of at most ${start.length - prefixBytes} bytes`, headerBytes);
  const text = start.toString('latin1', prefixBytes, offsetBytes).trim();

  const descriptor = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const fortran = /'fortran_order'\s*:\s*(True|False)/.exec(text)?.[1];
  const shapeText = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(text)?.[1];
  if (!/^\{.*\}$/s.test(text) || fortran === undefined || shapeText === undefined) {
    throw fileError(file, prefixBytes, "a header with 'descr', 'fortran_order' and 'shape'", text);
  }
  const dtype = descriptor !== undefined && Object.hasOwn(DESCRIPTORS, descriptor) ? DESCRIPTORS[descriptor as keyof typeof DESCRIPTORS] : undefined;
  if (dtype === undefined || !dtypes.includes(dtype)) {
    throw fileError(file, prefixBytes, `little-endian ${dtypes.join(', ')} (numpy: a.astype('<${dtypes[0]}'))`, descriptor ?? text);
  }
  const shape = shapeText.split(',').flatMap((part) => (part.trim() === '' ? [] : [Number(part)]));
  if (fortran === 'True' && shape.length > 1) throw fileError(file, prefixBytes, 'C order (numpy: np.ascontiguousarray(a))', 'Fortran order');
  const expectedBytes = shape.reduce((product, extent) => product * extent, ELEMENT_BYTES[dtype]);
  if (!Number.isSafeInteger(expectedBytes)) throw fileError(file, prefixBytes, 'a shape of less than 2^53 bytes', shape);
  if (offsetBytes + expectedBytes !== fileBytes) {
    const expected = `${offsetBytes + expectedBytes} bytes in all for shape [${shape.join(', ')}] of ${dtype}`;
    throw fileError(file, Math.min(fileBytes, offsetBytes + expectedBytes), expected, fileBytes);
  }
  return { dtype, shape, offsetBytes };
}

/** A whole array in memory. Throws FILE_INVALID with file and byte for anything but f4, f8 and u1 in C order, little-endian. */
export async function readNpy(file: string): Promise<NpyArray> {
  const { dtype, shape, offsetBytes } = await readNpyHeader(file);
  return withFile(file, async (handle, fileBytes) => {
    const buffer = new ArrayBuffer(fileBytes - offsetBytes);
    const read = await transfer(Buffer.from(buffer), (part, at) => handle.read(part, 0, part.length, offsetBytes + at).then((r) => r.bytesRead));
    if (read !== buffer.byteLength) throw fileError(file, offsetBytes + read, `${buffer.byteLength - read} more bytes`, 'the end of the file');
    return { shape, data: dtype === 'u1' ? new Uint8Array(buffer) : dtype === 'f4' ? new Float32Array(buffer) : new Float64Array(buffer) };
  });
}

/** Header as numpy writes it: version 1, values starting on a multiple of 64 bytes. */
export function npyHeader(dtype: 'f4' | 'f8' | 'u1', shape: readonly number[]): Buffer {
  const descriptor = dtype === 'u1' ? '|u1' : `<${dtype}`;
  const dict = `{'descr': '${descriptor}', 'fortran_order': False, 'shape': (${shape.join(', ')}${shape.length === 1 ? ',' : ''}), }`;
  const bytes = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = Buffer.alloc(bytes, ' ');
  MAGIC.copy(header);
  header.writeUInt16LE(0x0001, 6);
  header.writeUInt16LE(bytes - 10, 8);
  header.write(dict, 10, 'latin1');
  header[bytes - 1] = 0x0a;
  return header;
}

/** Writes an array in one rename, so that a reader never sees half of it. */
export async function writeNpy(file: string, array: Float32Array | Float64Array | Uint8Array, shape: readonly number[]): Promise<void> {
  invariant(shape.reduce((product, extent) => product * extent, 1) === array.length, 'an array has as many values as its shape says');
  const dtype = array instanceof Uint8Array ? 'u1' : array instanceof Float32Array ? 'f4' : 'f8';
  const temporary = `${file}.partial-${randomBytes(4).toString('hex')}`;
  const handle = await openFile(temporary, 'wx', 'a path that can be written', file);
  try {
    const header = npyHeader(dtype, shape);
    await handle.write(header);
    const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
    await transfer(bytes, (part, at) => handle.write(part, 0, part.length, header.length + at).then((w) => w.bytesWritten));
    await handle.close();
    await rename(temporary, file);
  } catch (thrown) {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw thrown;
  }
}

/** Moves a whole buffer by repeated calls that may each do a part of it; answers the bytes done. */
async function transfer(buffer: Buffer, step: (part: Buffer, atBytes: number) => Promise<number>): Promise<number> {
  let done = 0;
  while (done < buffer.length) {
    const moved = await step(buffer.subarray(done, Math.min(buffer.length, done + TRANSFER_BYTES)), done);
    if (moved === 0) break;
    done += moved;
  }
  return done;
}

async function openFile(file: string, flags: string, expected: string, shown: string): Promise<FileHandle> {
  try {
    return await open(file, flags);
  } catch (cause) {
    throw new GolddiffError('FILE_INVALID', expectation(shown, expected, (cause as NodeJS.ErrnoException).code), { file: shown }, { cause });
  }
}

async function withFile<T>(file: string, use: (handle: FileHandle, fileBytes: number) => Promise<T>): Promise<T> {
  const handle = await openFile(file, 'r', 'a readable .npy file', file);
  try {
    const status = await handle.stat();
    if (!status.isFile()) throw new GolddiffError('FILE_INVALID', expectation(file, 'an .npy file', 'a folder'), { file });
    return await use(handle, status.size);
  } finally {
    await handle.close();
  }
}
