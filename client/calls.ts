/**
 * The callback interface of grpc-js as promises and iterators that stop by AbortSignal. Every failure comes out as a GolddiffError.
 */

import { Metadata, type CallOptions, type ClientReadableStream, type ClientUnaryCall, type ServiceError } from '@grpc/grpc-js';

import { GolddiffError } from '../shared/errors.js';
import { TRACEPARENT_KEY } from '../shared/tracing.js';
import { fromServiceError } from '../shared/rpc/status.js';

/** Of any call. */
export interface CallControl {
  /** cancels the call, on the server too */
  readonly signal?: AbortSignal;
  /** the call fails with DEADLINE_EXCEEDED after so long; default: the connection's, else none */
  readonly timeoutMs?: number;
  /** 1 .. 128 printable characters for the server's logs; default: the server makes one */
  readonly requestId?: string;
  /** W3C trace context of the caller, for clusters that send traces; default: the connection's own span, where it has tracing */
  readonly traceparent?: string;
}

export function metadataOf(control: CallControl): Metadata {
  const metadata = new Metadata();
  if (control.requestId !== undefined) metadata.set('x-request-id', control.requestId);
  if (control.traceparent !== undefined) metadata.set(TRACEPARENT_KEY, control.traceparent);
  return metadata;
}

export function optionsOf(control: CallControl): CallOptions {
  return control.timeoutMs === undefined ? {} : { deadline: Date.now() + control.timeoutMs };
}

/** One answer. Rejects with CANCELLED as soon as the signal fires. */
export function unaryCall<Response>(
  control: CallControl,
  start: (metadata: Metadata, options: CallOptions, done: (error: ServiceError | null, response?: Response) => void) => ClientUnaryCall,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    if (control.signal?.aborted) return reject(cancelled(control.signal));
    const cancel = (): void => call.cancel();
    const call = start(metadataOf(control), optionsOf(control), (error, response) => {
      control.signal?.removeEventListener('abort', cancel);
      if (error === null && response !== undefined) resolve(response);
      else reject(control.signal?.aborted ? cancelled(control.signal) : fromServiceError(error));
    });
    control.signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** Many answers. Leaving the loop early, or the signal, cancels the call on the server too; the signal also makes the loop throw CANCELLED. */
export async function* serverStreamCall<Response>(
  control: CallControl,
  start: (metadata: Metadata, options: CallOptions) => ClientReadableStream<Response>,
): AsyncGenerator<Response, void, undefined> {
  if (control.signal?.aborted) throw cancelled(control.signal);
  const call = start(metadataOf(control), optionsOf(control));
  const cancel = (): void => call.cancel();
  // A call that is cancelled reports it once more after its loop has ended; with nobody to hear it Node would end the process.
  call.on('error', () => {});
  control.signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const message of call as AsyncIterable<Response>) yield message;
  } catch (thrown) {
    throw control.signal?.aborted ? cancelled(control.signal) : fromServiceError(thrown);
  } finally {
    control.signal?.removeEventListener('abort', cancel);
    call.cancel();
  }
}

export function cancelled(signal: AbortSignal): GolddiffError {
  return new GolddiffError('CANCELLED', 'The call was cancelled by its caller', {}, { cause: signal.reason });
}
