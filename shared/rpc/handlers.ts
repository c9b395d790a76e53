/**
 * Async handlers for grpc-js's callback and event interfaces. Each gets a context: the request's id (from `x-request-id`, or made, and always sent
 * back as a header), its deadline, a log line child, and one AbortSignal that fires when nobody waits for the answer any more, whether the caller
 * cancelled, vanished, or ran out of time. What a handler throws becomes a status with details.
 */

import { randomUUID } from 'node:crypto';
import type { EventEmitter } from 'node:events';
import {
  Metadata,
  status as GrpcStatus,
  type handleBidiStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { asGolddiffError, GolddiffError } from '../errors.js';
import { DEADLINE_EARLY_MS, STREAM_INBOX_MESSAGES_MAX, TIMER_MS_MAX } from '../limits.js';
import { createLogger, type Logger } from '../log.js';
import { TRACEPARENT_KEY, type Span, type Tracing } from '../tracing.js';
import { toServiceError } from './status.js';

export const REQUEST_ID_KEY = 'x-request-id';
/** Ids of callers are copied to logs and to workers: printable, short. */
const REQUEST_ID_FORM = /^[\x21-\x7e]{1,128}$/;

export interface CallContext {
  readonly requestId: string;
  /** fires with a GolddiffError (CANCELLED or DEADLINE_EXCEEDED) as its reason; never after the handler has ended */
  readonly signal: AbortSignal;
  /** fires when the server begins to drain: streams that never end by themselves should finish what is under way and return */
  readonly draining: AbortSignal;
  readonly deadlineUnixMs: number | undefined;
  /** Milliseconds left; Infinity without a deadline, 0 once it has passed. */
  remainingMs(): number;
  readonly log: Logger;
  /** of this call, where it is traced */
  readonly span?: Span | undefined;
}

/** Sends one message; waits while the peer does not read. Rejects with the signal's reason once nobody waits. */
export type Write<Response> = (message: Response) => Promise<void>;

/** What a server lends to the calls that it accepts. */
export interface CallScope {
  readonly log: Logger;
  readonly draining: AbortSignal;
  /** absent = calls are not traced */
  readonly tracing?: Tracing | undefined;
  onStart(): void;
  /** `code` is the status as far as the handler knows; seconds of wall time */
  onEnd(method: string, code: GrpcStatus, seconds: number, span?: Span): void;
}

type AnyCall = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;

const scopes = new WeakMap<object, CallScope>();
const unbound: CallScope = { log: createLogger('rpc'), draining: new AbortController().signal, onStart: () => {}, onEnd: () => {} };

/** Ties a call to the server that accepted it, before its handler sees it. */
export function bindCall(call: object, scope: CallScope): void {
  scopes.set(call, scope);
}

/** One request, one answer. */
export function unary<Request, Response>(handler: (request: Request, context: CallContext) => Promise<Response>): handleUnaryCall<Request, Response> {
  return (call, callback) => {
    const life = beginCall(call);
    run(life, async () => handler(call.request, life.context)).then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(error)),
    );
  };
}

/** One request, many answers. */
export function serverStream<Request, Response>(
  handler: (request: Request, context: CallContext, write: Write<Response>) => Promise<void>,
): handleServerStreamingCall<Request, Response> {
  return (call) => {
    const life = beginCall(call);
    run(life, async () => handler(call.request, life.context, writer(call, life.context.signal))).then(
      () => void call.end(),
      (error: unknown) => void call.emit('error', toServiceError(error)),
    );
  };
}

/** Many of both. `requests` ends when the caller closes its side and throws the signal's reason when nobody waits any more. */
export function bidi<Request, Response>(
  handler: (requests: AsyncIterable<Request>, context: CallContext, write: Write<Response>) => Promise<void>,
): handleBidiStreamingCall<Request, Response> {
  return (call) => {
    const life = beginCall(call);
    run(life, async () => handler(inbox(call, life.context.signal), life.context, writer(call, life.context.signal))).then(
      () => void call.end(),
      (error: unknown) => void call.emit('error', toServiceError(error)),
    );
  };
}

interface CallLife {
  readonly context: CallContext;
  readonly method: string;
  readonly scope: CallScope;
  readonly startedMs: number;
  end(): void;
}

function beginCall(call: AnyCall): CallLife {
  const scope = scopes.get(call) ?? unbound;
  const method = call.getPath();
  const requestId = requestIdOf(call.metadata);
  const header = new Metadata();
  header.set(REQUEST_ID_KEY, requestId);
  call.sendMetadata(header);

  const deadline = Number(call.getDeadline());
  const deadlineUnixMs = Number.isFinite(deadline) ? deadline : undefined;
  const remainingMs = (): number => (deadlineUnixMs === undefined ? Infinity : Math.max(0, deadlineUnixMs - Date.now()));
  const controller = new AbortController();
  const stop = (error: GolddiffError): void => {
    if (!controller.signal.aborted) controller.abort(error);
  };
  const onExpired = (): void => stop(new GolddiffError('DEADLINE_EXCEEDED', 'The deadline of the call has passed'));
  // grpc-js answers an expired call by itself and reports it as cancelled, and so does a caller whose timer fires early; only the clock tells the two apart.
  const onCancelled = (): void =>
    remainingMs() <= DEADLINE_EARLY_MS ? onExpired() : stop(new GolddiffError('CANCELLED', 'The caller cancelled or went away'));
  // Timers fire early where the event loop is late, and wait for TIMER_MS_MAX at most.
  const wait = (): NodeJS.Timeout => setTimeout(() => (remainingMs() > 0 ? (timer = wait()) : onExpired()), Math.min(remainingMs(), TIMER_MS_MAX));
  let timer = deadlineUnixMs === undefined ? undefined : wait();
  const events: EventEmitter = call;
  events.once('cancelled', onCancelled);
  if (call.cancelled) onCancelled();
  scope.onStart();
  const span = scope.tracing?.start(method.slice(method.lastIndexOf('.') + 1), 'server', textOf(call.metadata, TRACEPARENT_KEY), { requestId });
  return {
    context: {
      requestId,
      signal: controller.signal,
      draining: scope.draining,
      deadlineUnixMs,
      remainingMs,
      log: scope.log.child({ requestId, method }),
      span,
    },
    method,
    scope,
    startedMs: performance.now(),
    end: () => {
      clearTimeout(timer);
      events.removeListener('cancelled', onCancelled);
    },
  };
}

async function run<T>(life: CallLife, handler: () => Promise<T>): Promise<T> {
  let code: GrpcStatus = GrpcStatus.OK;
  const { span } = life.context;
  try {
    return await handler();
  } catch (thrown) {
    // A handler that was stopped may throw whatever its libraries throw; the reason of the stop is the better answer.
    const reason: unknown = life.context.signal.aborted && asGolddiffError(thrown).code === 'CANCELLED' ? life.context.signal.reason : thrown;
    const error = asGolddiffError(reason);
    code = error.grpcStatus;
    span?.end(error);
    if (error.code === 'INTERNAL') life.context.log.error({ err: reason }, 'call failed by a fault of ours');
    else life.context.log[error.retryable || error.code === 'FILE_INVALID' ? 'warn' : 'debug']({ code: error.code, ...error.data }, error.message);
    throw reason;
  } finally {
    life.end();
    span?.end();
    life.scope.onEnd(life.method, code, (performance.now() - life.startedMs) / 1000, span);
  }
}

function requestIdOf(metadata: Metadata): string {
  const given = textOf(metadata, REQUEST_ID_KEY);
  return given !== undefined && REQUEST_ID_FORM.test(given) ? given : randomUUID();
}

function textOf(metadata: Metadata, key: string): string | undefined {
  const [given] = metadata.get(key);
  return typeof given === 'string' ? given : undefined;
}

function writer<Response>(
  call: ServerWritableStream<unknown, Response> | ServerDuplexStream<unknown, Response>,
  signal: AbortSignal,
): Write<Response> {
  return (message) => {
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    if (call.write(message)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        call.removeListener('drain', settle);
        signal.removeEventListener('abort', settle);
        if (signal.aborted) reject(signal.reason as Error);
        else resolve();
      };
      call.on('drain', settle);
      signal.addEventListener('abort', settle);
    });
  };
}

/**
 * The stream's messages as an iterable. Node's own iterator destroys the stream when a loop ends early, which for a duplex call would also cut
 * off the answers; this one only stops reading.
 */
function inbox<Request>(call: ServerDuplexStream<Request, unknown>, signal: AbortSignal): AsyncIterable<Request> {
  const waiting: Request[] = [];
  let ended = false;
  let wake: (() => void) | undefined;
  const notify = (): void => {
    wake?.();
    wake = undefined;
  };
  call.on('data', (message: Request) => {
    waiting.push(message);
    if (waiting.length >= STREAM_INBOX_MESSAGES_MAX) call.pause();
    notify();
  });
  // A call that is torn down looks closed by its caller for a moment: HTTP/2 ends the readable side first and reports the reset a few ticks later.
  call.on('end', () =>
    setImmediate(() => {
      ended = true;
      notify();
    }),
  );
  signal.addEventListener('abort', notify);
  return {
    async *[Symbol.asyncIterator]() {
      for (;;) {
        signal.throwIfAborted();
        const message = waiting.shift();
        if (message !== undefined) {
          if (call.isPaused() && waiting.length < STREAM_INBOX_MESSAGES_MAX / 2) call.resume();
          yield message;
        } else if (ended) {
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    },
  };
}
