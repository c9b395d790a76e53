/**
 * safetensors files (https://github.com/huggingface/safetensors, format section): 8 bytes little-endian header length, a JSON header, then
 * the tensors' bytes without gaps. Headers are padded with spaces so that the first tensor starts on a multiple of 8 bytes.
 */

import { fileError } from '../errors.js';

const BYTES_PER_ELEMENT = { U8: 1, I32: 4, U32: 4, F32: 4, F64: 8 } as const;
export type TensorDtype = keyof typeof BYTES_PER_ELEMENT;

export interface TensorSpec {
  readonly name: string;
  readonly dtype: TensorDtype;
  readonly shape: readonly number[];
}

export interface TensorEntry extends TensorSpec {
  /** from the start of the file */
  readonly offsetBytes: number;
  readonly bytes: number;
}

export interface SafetensorsLayout {
  /** length prefix and JSON, as written at the start of the file */
  readonly header: Buffer;
  /** in file order */
  readonly entries: readonly TensorEntry[];
  readonly fileBytes: number;
}

/** Same bound as the reference reader: a longer header is an attack or not this format. */
export const SAFETENSORS_HEADER_BYTES_MAX = 100_000_000;
const PREFIX_BYTES = 8;

/** Header and places of tensors that are written one after the other in the given order. Names must differ. */
export function layoutSafetensors(tensors: readonly TensorSpec[], metadata: Readonly<Record<string, string>> = {}): SafetensorsLayout {
  const header: Record<string, unknown> = Object.keys(metadata).length > 0 ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const end = offset + tensorBytes(dtype, shape);
    header[name] = { dtype, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const json = JSON.stringify(header);
  const jsonBytes = Math.ceil(Buffer.byteLength(json) / 8) * 8;
  const buffer = Buffer.alloc(PREFIX_BYTES + jsonBytes, ' ');
  buffer.writeBigUInt64LE(BigInt(jsonBytes), 0);
  buffer.write(json, PREFIX_BYTES);
  let place = buffer.length;
  const entries = tensors.map((tensor) => {
    const bytes = tensorBytes(tensor.dtype, tensor.shape);
    place += bytes;
    return { ...tensor, offsetBytes: place - bytes, bytes };
  });
  return { header: buffer, entries, fileBytes: place };
}

export function tensorBytes(dtype: TensorDtype, shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, BYTES_PER_ELEMENT[dtype]);
}

/**
 * Length of the JSON header from the first 8 bytes of a file. Throws FILE_INVALID where it is larger than the file or the bound.
 */
export function headerLength(prefix: Buffer, file: string, fileBytes: number): number {
  if (prefix.length < PREFIX_BYTES) throw fileError(file, prefix.length, 'an 8-byte safetensors header length', `the end of the file`);
  const declared = prefix.readBigUInt64LE(0);
  if (declared < 2n || declared > BigInt(Math.min(SAFETENSORS_HEADER_BYTES_MAX, fileBytes - PREFIX_BYTES))) {
    throw fileError(file, 0, `a safetensors header length that fits ${fileBytes} bytes`, declared);
  }
  return Number(declared);
}

/**
 * Entries in file order. `header` is the JSON part alone. Throws FILE_INVALID where the header is not valid, names an unknown dtype, leaves
 * gaps, overlaps, or does not end exactly at the end of the file.
 */
export function parseHeader(header: Buffer, file: string, fileBytes: number): TensorEntry[] {
  const refuse = (expected: string, received: unknown) => fileError(file, PREFIX_BYTES, expected, received);
  let parsed: unknown;
  try {
    parsed = JSON.parse(header.toString('utf8'));
  } catch {
    throw refuse('a JSON safetensors header', header.toString('latin1', 0, 40));
  }
  if (!isRecord(parsed)) throw refuse('a JSON object as the safetensors header', JSON.stringify(parsed));
  const dataStart = PREFIX_BYTES + header.length;
  const entries = Object.entries(parsed)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]): TensorEntry => {
      if (!isRecord(entry)) throw refuse(`an object for tensor ${name}`, JSON.stringify(entry));
      const { dtype, shape, data_offsets: offsets } = entry;
      if (!isDtype(dtype)) throw refuse(`one of ${Object.keys(BYTES_PER_ELEMENT).join(', ')} as dtype of tensor ${name}`, dtype);
      if (!isCountArray(shape)) throw refuse(`non-negative integers as shape of tensor ${name}`, JSON.stringify(shape));
      const bytes = tensorBytes(dtype, shape);
      if (!isCountArray(offsets) || offsets.length !== 2 || offsets[1]! - offsets[0]! !== bytes) {
        throw refuse(`data_offsets ${bytes} bytes apart for tensor ${name}`, JSON.stringify(offsets));
      }
      return { name, dtype, shape, offsetBytes: dataStart + offsets[0]!, bytes };
    })
    .sort((a, b) => a.offsetBytes - b.offsetBytes || a.bytes - b.bytes);
  let end = dataStart;
  for (const entry of entries) {
    if (entry.offsetBytes !== end) throw refuse(`tensor ${entry.name} at byte ${end}, after the one before it`, entry.offsetBytes);
    end += entry.bytes;
  }
  if (end !== fileBytes) throw fileError(file, Math.min(end, fileBytes), `${end} bytes in all as its header says`, fileBytes);
  return entries;
}

/** A whole file in memory, for small ones. `data` holds each tensor's bytes, little-endian. */
export function encodeSafetensors(
  tensors: readonly (TensorSpec & { readonly data: ArrayBufferView })[],
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  const layout = layoutSafetensors(
    tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape })),
    metadata,
  );
  return Buffer.concat([layout.header, ...tensors.map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength))]);
}

/** The texts under __metadata__; empty where there are none. Call only on a header that parseHeader accepts. */
export function headerMetadata(header: Buffer): Record<string, string> {
  const parsed = JSON.parse(header.toString('utf8')) as { __metadata__?: Record<string, string> };
  return parsed.__metadata__ ?? {};
}

/** Tensors of a whole file in memory, each with its bytes copied to an aligned buffer. */
export function decodeSafetensors(contents: Buffer, file: string): Map<string, TensorEntry & { readonly data: ArrayBuffer }> {
  const length = headerLength(contents.subarray(0, PREFIX_BYTES), file, contents.length);
  const entries = parseHeader(contents.subarray(PREFIX_BYTES, PREFIX_BYTES + length), file, contents.length);
  return new Map(
    entries.map((entry) => {
      const data = new ArrayBuffer(entry.bytes);
      new Uint8Array(data).set(contents.subarray(entry.offsetBytes, entry.offsetBytes + entry.bytes));
      return [entry.name, { ...entry, data }];
    }),
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isDtype(value: unknown): value is TensorDtype {
  return typeof value === 'string' && Object.hasOwn(BYTES_PER_ELEMENT, value);
}

function isCountArray(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}
