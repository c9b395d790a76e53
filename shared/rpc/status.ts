/**
 * Errors over gRPC: a GolddiffError becomes a status with google.rpc details in `grpc-status-details-bin`, and comes out as the same error on the
 * other side. ErrorInfo (domain "golddiff") has the code as its reason and the error's data as its metadata; BadRequest and RetryInfo repeat the
 * field and the delay in the form that generic clients look for. Source: google/rpc/status.proto and error_details.proto.
 *
 * Trailers are HTTP/2 headers, of which peers accept about 8 KiB: texts are cut and partitions are written as ranges.
 */

import { Metadata, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import protobuf from 'protobufjs';
import { asGolddiffError, GolddiffError, isErrorCode, type ErrorCode, type ErrorData } from '../errors.js';
import { STATUS_PARTITIONS_CHARS_MAX, STATUS_TEXT_CHARS_MAX } from '../limits.js';

export const ERROR_DOMAIN = 'golddiff';
const DETAILS_KEY = 'grpc-status-details-bin';
const TYPE_PREFIX = 'type.googleapis.com/google.rpc.';

const stringMap: protobuf.IMapField = { keyType: 'string', type: 'string', id: 3 };
const root = protobuf.Root.fromJSON({
  nested: {
    Status: { fields: { code: { type: 'int32', id: 1 }, message: { type: 'string', id: 2 }, details: { rule: 'repeated', type: 'Any', id: 3 } } },
    Any: { fields: { typeUrl: { type: 'string', id: 1 }, value: { type: 'bytes', id: 2 } } },
    ErrorInfo: {
      fields: { reason: { type: 'string', id: 1 }, domain: { type: 'string', id: 2 }, metadata: stringMap },
    },
    BadRequest: { fields: { fieldViolations: { rule: 'repeated', type: 'FieldViolation', id: 1 } } },
    FieldViolation: { fields: { field: { type: 'string', id: 1 }, description: { type: 'string', id: 2 } } },
    RetryInfo: { fields: { retryDelay: { type: 'Duration', id: 1 } } },
    Duration: { fields: { seconds: { type: 'int64', id: 1 }, nanos: { type: 'int32', id: 2 } } },
  },
});

type DetailName = 'ErrorInfo' | 'BadRequest' | 'RetryInfo';
interface StatusMessage {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

/** The status of anything thrown. Faults of our own keep their secrets: their message says only that there was one. */
export function toServiceError(thrown: unknown): ServiceError {
  const error = asGolddiffError(thrown);
  const ours = thrown instanceof GolddiffError;
  const text =
    error.code === 'INTERNAL' && !ours
      ? 'The server met a fault of its own; its log has the cause under the same request id'
      : oneSentence(error.message);
  const details = [pack('ErrorInfo', { reason: error.code, domain: ERROR_DOMAIN, metadata: encodeData(error.data) })];
  if (error.grpcStatus === GrpcStatus.INVALID_ARGUMENT && error.data.field !== undefined)
    details.push(pack('BadRequest', { fieldViolations: [{ field: error.data.field, description: text }] }));
  const retryMs = error.data.retryAfterMs;
  if (retryMs !== undefined)
    details.push(pack('RetryInfo', { retryDelay: { seconds: Math.floor(retryMs / 1000), nanos: Math.round((retryMs % 1000) * 1e6) } }));
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, encode('Status', { code: error.grpcStatus, message: text, details }));
  return Object.assign(new Error(text, { cause: thrown }), { code: error.grpcStatus, details: text, metadata });
}

/** The error that the server threw, or the nearest of ours where the status did not come from our server. */
export function fromServiceError(thrown: unknown): GolddiffError {
  if (thrown instanceof GolddiffError) return thrown;
  if (!isServiceError(thrown)) return asGolddiffError(thrown);
  const detail = thrown.metadata?.get(DETAILS_KEY)[0];
  if (detail instanceof Uint8Array) {
    const restored = fromDetails(detail, thrown);
    if (restored !== undefined) return restored;
  }
  const code = FALLBACK[thrown.code] ?? 'INTERNAL';
  const text = thrown.details === '' || thrown.details === undefined ? thrown.message : thrown.details;
  return new GolddiffError(code, oneSentence(text), {}, { cause: thrown });
}

export function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'number' && 'details' in thrown;
}

/** Statuses of gRPC itself, of proxies and of servers that are not ours. No answer at all counts as a lost worker: it may be tried again. */
const FALLBACK: Partial<Record<GrpcStatus, ErrorCode>> = {
  [GrpcStatus.CANCELLED]: 'CANCELLED',
  [GrpcStatus.INVALID_ARGUMENT]: 'ARGUMENT_INVALID',
  [GrpcStatus.OUT_OF_RANGE]: 'ARGUMENT_INVALID',
  [GrpcStatus.DEADLINE_EXCEEDED]: 'DEADLINE_EXCEEDED',
  [GrpcStatus.NOT_FOUND]: 'NOT_FOUND',
  [GrpcStatus.ALREADY_EXISTS]: 'ALREADY_EXISTS',
  [GrpcStatus.RESOURCE_EXHAUSTED]: 'LIMIT_EXCEEDED',
  [GrpcStatus.FAILED_PRECONDITION]: 'DATA_SET_MISMATCH',
  [GrpcStatus.UNIMPLEMENTED]: 'UNSUPPORTED',
  [GrpcStatus.UNAVAILABLE]: 'WORKER_LOST',
  [GrpcStatus.DATA_LOSS]: 'FILE_INVALID',
};

function fromDetails(bytes: Uint8Array, cause: Error): GolddiffError | undefined {
  try {
    const status = decode('Status', bytes) as unknown as StatusMessage;
    for (const any of status.details) {
      if (any.typeUrl !== `${TYPE_PREFIX}ErrorInfo`) continue;
      const info = decode('ErrorInfo', any.value) as unknown as { reason: string; domain: string; metadata: Record<string, string> };
      if (info.domain === ERROR_DOMAIN && isErrorCode(info.reason))
        return new GolddiffError(info.reason, status.message, decodeData(info.metadata), { cause });
    }
    return undefined;
  } catch {
    // Details that do not decode are someone else's: the plain status still says enough.
    return undefined;
  }
}

function encodeData(data: ErrorData): Record<string, string> {
  const metadata: Record<string, string> = {};
  if (data.field !== undefined) metadata['field'] = data.field;
  if (data.partitions !== undefined) metadata['partitions'] = encodeRanges(data.partitions);
  if (data.retryAfterMs !== undefined) metadata['retry_after_ms'] = String(data.retryAfterMs);
  if (data.file !== undefined) metadata['file'] = data.file.slice(0, STATUS_TEXT_CHARS_MAX);
  if (data.offsetBytes !== undefined) metadata['offset_bytes'] = String(data.offsetBytes);
  return metadata;
}

function decodeData(metadata: Record<string, string>): ErrorData {
  const data: ErrorData = {};
  if (metadata['field'] !== undefined) data.field = metadata['field'];
  if (metadata['partitions'] !== undefined) data.partitions = decodeRanges(metadata['partitions']);
  if (metadata['retry_after_ms'] !== undefined) data.retryAfterMs = Number(metadata['retry_after_ms']);
  if (metadata['file'] !== undefined) data.file = metadata['file'];
  if (metadata['offset_bytes'] !== undefined) data.offsetBytes = Number(metadata['offset_bytes']);
  return data;
}

/** Ascending numbers as "0-3,7". Cut at a whole range where they are too many for a trailer; the message still says how many there are. */
export function encodeRanges(numbers: readonly number[]): string {
  const ranges: string[] = [];
  let chars = 0;
  for (let i = 0; i < numbers.length;) {
    let j = i;
    while (j + 1 < numbers.length && numbers[j + 1] === (numbers[j] ?? 0) + 1) j++;
    const range = i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`;
    chars += range.length + 1;
    if (chars > STATUS_PARTITIONS_CHARS_MAX) break;
    ranges.push(range);
    i = j + 1;
  }
  return ranges.join(',');
}

export function decodeRanges(text: string): number[] {
  if (text === '') return [];
  return text.split(',').flatMap((range) => {
    const [first, last] = range.split('-').map(Number);
    return first === undefined || !Number.isInteger(first)
      ? []
      : Array.from({ length: Math.min((last ?? first) - first, 65_535) + 1 }, (_, i) => first + i);
  });
}

function oneSentence(message: string): string {
  const line = message.split('\n', 1)[0] ?? '';
  return line.length > STATUS_TEXT_CHARS_MAX ? `${line.slice(0, STATUS_TEXT_CHARS_MAX - 3)}...` : line;
}

function pack(name: DetailName, fields: Record<string, unknown>): { typeUrl: string; value: Uint8Array } {
  return { typeUrl: `${TYPE_PREFIX}${name}`, value: encode(name, fields) };
}

function encode(name: string, fields: Record<string, unknown>): Buffer {
  const type = root.lookupType(name);
  return Buffer.from(type.encode(type.fromObject(fields)).finish());
}

function decode(name: string, bytes: Uint8Array): Record<string, unknown> {
  const type = root.lookupType(name);
  return type.toObject(type.decode(bytes), { defaults: true, longs: Number, arrays: true, objects: true });
}
