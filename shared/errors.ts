/**
 * Operating errors: what went wrong for a reason outside the program. A bug is an assertion, never one of these.
 * One table gives the gRPC status and whether the same request may succeed later.
 */

import { status as GrpcStatus } from '@grpc/grpc-js';

const CODES = {
  ARGUMENT_INVALID: { status: GrpcStatus.INVALID_ARGUMENT, retryable: false },
  TENSOR_INVALID: { status: GrpcStatus.INVALID_ARGUMENT, retryable: false },
  DATA_SET_UNKNOWN: { status: GrpcStatus.NOT_FOUND, retryable: false },
  NOT_FOUND: { status: GrpcStatus.NOT_FOUND, retryable: false },
  ALREADY_EXISTS: { status: GrpcStatus.ALREADY_EXISTS, retryable: false },
  UNSUPPORTED: { status: GrpcStatus.UNIMPLEMENTED, retryable: false },
  QUEUE_FULL: { status: GrpcStatus.RESOURCE_EXHAUSTED, retryable: true },
  LIMIT_EXCEEDED: { status: GrpcStatus.RESOURCE_EXHAUSTED, retryable: false },
  EPOCH_STALE: { status: GrpcStatus.FAILED_PRECONDITION, retryable: true },
  JOB_NOT_DONE: { status: GrpcStatus.FAILED_PRECONDITION, retryable: true },
  SUPPORTS_MISSING: { status: GrpcStatus.FAILED_PRECONDITION, retryable: true },
  DATA_SET_MISMATCH: { status: GrpcStatus.FAILED_PRECONDITION, retryable: false },
  PARTITION_MISSING: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  WORKER_LOST: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  TLS_FAILED: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  CONTROL_PLANE_LOST: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  CONTROL_PLANE_REFUSED: { status: GrpcStatus.PERMISSION_DENIED, retryable: false },
  DATA_UNAVAILABLE: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  DRAINING: { status: GrpcStatus.UNAVAILABLE, retryable: true },
  DEADLINE_EXCEEDED: { status: GrpcStatus.DEADLINE_EXCEEDED, retryable: false },
  CANCELLED: { status: GrpcStatus.CANCELLED, retryable: false },
  FILE_INVALID: { status: GrpcStatus.DATA_LOSS, retryable: false },
  ADDRESS_IN_USE: { status: GrpcStatus.UNAVAILABLE, retryable: false },
  BACKEND_MISSING: { status: GrpcStatus.FAILED_PRECONDITION, retryable: false },
  INTERNAL: { status: GrpcStatus.INTERNAL, retryable: false },
} as const satisfies Record<string, { status: GrpcStatus; retryable: boolean }>;

export type ErrorCode = keyof typeof CODES;

export interface ErrorData {
  /** Path of the argument that was refused, as the proto names it: `x.shape[1]`. */
  field?: string;
  /** Partitions that are concerned, ascending. */
  partitions?: readonly number[];
  retryAfterMs?: number;
  file?: string;
  offsetBytes?: number;
}

export class GolddiffError extends Error {
  override readonly name = 'GolddiffError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly data: ErrorData = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
  get grpcStatus(): GrpcStatus {
    return CODES[this.code].status;
  }
  get retryable(): boolean {
    return CODES[this.code].retryable;
  }
}

export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(CODES, text);
}

/** The one form of sentence for a refused argument. */
export function argumentError(field: string, expected: string, received: unknown): GolddiffError {
  return new GolddiffError('ARGUMENT_INVALID', expectation(field, expected, received), { field });
}

/** "Expected <what> for <path> but received <value>", the value cut short where it is long. */
export function expectation(path: string, expected: string, received: unknown): string {
  return `Expected ${expected} for ${path} but received ${printable(received)}`;
}

function printable(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : Array.isArray(value) ? `[${value.join(', ')}]` : String(value);
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
}

/** A bad file: says which and where. */
export function fileError(file: string, offsetBytes: number, expected: string, received: unknown): GolddiffError {
  return new GolddiffError('FILE_INVALID', `${expectation(`${file} at byte ${offsetBytes}`, expected, received)}`, { file, offsetBytes });
}

/** What a write to the local disk failed with: LIMIT_EXCEEDED for want of room, else FILE_INVALID. */
export function diskError(file: string, cause: unknown): GolddiffError {
  if (cause instanceof GolddiffError) return cause;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause);
  if (isDiskFull(cause)) return new GolddiffError('LIMIT_EXCEEDED', `There is no room on the disk for ${file} (${code})`, { file }, { cause });
  return new GolddiffError('FILE_INVALID', expectation(file, 'a path that can be written', code), { file }, { cause });
}

export function isDiskFull(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT');
}

/** What was thrown as one of ours; anything else becomes INTERNAL with its cause kept. */
export function asGolddiffError(thrown: unknown): GolddiffError {
  if (thrown instanceof GolddiffError) return thrown;
  if (thrown instanceof Error && thrown.name === 'AbortError') return new GolddiffError('CANCELLED', 'The call was cancelled', {}, { cause: thrown });
  return new GolddiffError('INTERNAL', thrown instanceof Error ? thrown.message : String(thrown), {}, { cause: thrown });
}

/** Programmer error: stops the program where an invariant is broken. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}
