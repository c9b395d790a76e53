/**
 * The connection to one worker: one long-lived Steps stream that carries many steps at once, told apart by number, and the unary calls of the
 * control path on a channel of their own, so that a probe never waits behind megabytes of sums.
 *
 * The stream is opened when the first step needs it and again after it broke. When it breaks, every open step fails with WORKER_LOST: steps are pure
 * functions of their requests, so whoever started them may go elsewhere.
 */

import { makeClientConstructor, type ClientDuplexStream, type ClientReadableStream, type ClientUnaryCall, type ServiceError } from '@grpc/grpc-js';
import type { AssignRequest } from '../proto/generated/golddiff/v1/AssignRequest.js';
import type { AssignResponse__Output } from '../proto/generated/golddiff/v1/AssignResponse.js';
import type { DescribeResponse__Output } from '../proto/generated/golddiff/v1/DescribeResponse.js';
import type { MomentsPart__Output } from '../proto/generated/golddiff/v1/MomentsPart.js';
import type { MomentsRequest } from '../proto/generated/golddiff/v1/MomentsRequest.js';
import type { ShardServiceClient } from '../proto/generated/golddiff/v1/ShardService.js';
import type { SupportSet } from '../proto/generated/golddiff/v1/SupportSet.js';
import type { StepRequest } from '../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse__Output } from '../proto/generated/golddiff/v1/StepResponse.js';
import { asGolddiffError, GolddiffError, invariant } from '../shared/errors.js';
import { DATA_PLANE_WINDOW_BYTES, INTERNAL_MESSAGE_BYTES_MAX } from '../shared/limits.js';
import { channelOptions } from '../shared/rpc/channel.js';
import { channelCredentials, type ChannelTls } from '../shared/rpc/channel-tls.js';
import { connectionFailure, type Dialling } from '../shared/rpc/connection-failure.js';
import { countedService, type MessageCounter } from '../shared/rpc/counted-messages.js';
import { protoPackage } from '../shared/rpc/proto-package.js';
import { fromServiceError, isServiceError } from '../shared/rpc/status.js';

export type StepBody = Omit<StepRequest, 'stepId' | 'body'>;
type StepsStream = ClientDuplexStream<StepRequest, StepResponse__Output>;

/** One step on one worker. Replies are read with next(); after close or failure every pending call rejects. */
export interface LinkedStep {
  /** Resolves when the connection can take more. Rejects as next() does. */
  send(body: StepBody): Promise<void>;
  /** The next reply, in order. Rejects with WORKER_LOST when the stream broke, or with what close was given. */
  next(): Promise<StepResponse__Output>;
  /** Ends the step here and tells the worker. Idempotent. */
  close(reason?: GolddiffError): void;
  /** Ends the step here: the worker has answered the last request and knows. Idempotent, as is close after it. */
  end(): void;
}

export class WorkerLink {
  readonly #steps: ShardServiceClient;
  readonly #control: ShardServiceClient;
  readonly #open = new Map<number, OpenStep>();
  #stream: StepsStream | undefined;
  #drained: Promise<void> | undefined;
  readonly #calls = new Set<ClientUnaryCall | ClientReadableStream<MomentsPart__Output>>();
  /** support sets that the worker has been given, by hash; it may have dropped some, or started anew */
  readonly #supports = new Set<string>();
  #lastStepId = 0;
  #closed = false;

  readonly #dialling: Dialling;

  /** @param address host:port. @param tls absent = plain text. @param countMessage gets every message of the stream of steps */
  constructor(
    readonly workerId: string,
    readonly address: string,
    tls?: ChannelTls,
    countMessage: MessageCounter = () => {},
  ) {
    this.#dialling = { at: address, tls: tls?.files.paths };
    const credentials = channelCredentials(tls);
    const data = channelOptions({ messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX, windowBytes: DATA_PLANE_WINDOW_BYTES, ownConnection: true });
    const control = channelOptions({ messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX, ownConnection: true });
    const counted = countedService(protoPackage.ShardService.service, 'Steps', 'client', countMessage);
    const Steps = makeClientConstructor(counted, 'ShardService') as unknown as typeof protoPackage.ShardService;
    this.#steps = new Steps(address, credentials, data);
    this.#control = new protoPackage.ShardService(address, credentials, control);
  }

  get openSteps(): number {
    return this.#open.size;
  }

  openStep(): LinkedStep {
    invariant(!this.#closed, 'a closed link opens no steps');
    const stream = (this.#stream ??= this.#connect());
    const id = ++this.#lastStepId;
    const write = (body: StepBody): Promise<void> | undefined => this.#write(stream, { stepId: id, ...body });
    const step = new OpenStep(write, () => this.#open.delete(id));
    this.#open.set(id, step);
    return step;
  }

  /** @throws WORKER_LOST, DEADLINE_EXCEEDED */
  describe(timeoutMs: number): Promise<DescribeResponse__Output> {
    return this.#unaryCall((done) => this.#control.Describe({}, { deadline: Date.now() + timeoutMs }, done));
  }

  /** @throws WORKER_LOST, DEADLINE_EXCEEDED, DATA_SET_MISMATCH */
  assign(request: AssignRequest, timeoutMs: number): Promise<AssignResponse__Output> {
    return this.#unaryCall((done) => this.#control.Assign(request, { deadline: Date.now() + timeoutMs }, done));
  }

  /** The worker holds the set afterwards, unless it drops it: then it fails the step with SUPPORTS_MISSING, and forgetSupports comes first. */
  async holdSupports(set: { readonly sha256: string; readonly data: Uint8Array }, timeoutMs: number): Promise<void> {
    if (this.#supports.has(set.sha256)) return;
    const request: SupportSet = { sha256: set.sha256, data: Buffer.from(set.data.buffer, set.data.byteOffset, set.data.byteLength) };
    await this.#unaryCall((done) => this.#control.HoldSupports(request, { deadline: Date.now() + timeoutMs }, done));
    this.#supports.add(set.sha256);
  }

  forgetSupports(): void {
    this.#supports.clear();
  }

  /** Hands every part to `take`, in order. @throws WORKER_LOST, DEADLINE_EXCEEDED, EPOCH_STALE, PARTITION_MISSING, or what `take` throws */
  moments(request: MomentsRequest, timeoutMs: number, signal: AbortSignal, take: (part: MomentsPart__Output) => void): Promise<void> {
    invariant(!this.#closed, 'a closed link makes no calls');
    return new Promise((resolve, reject) => {
      const call = this.#control.Moments(request, { deadline: Date.now() + timeoutMs });
      const cancel = (): void => call.cancel();
      const end = (settle: () => void): void => {
        signal.removeEventListener('abort', cancel);
        this.#calls.delete(call);
        settle();
      };
      this.#calls.add(call);
      signal.addEventListener('abort', cancel, { once: true });
      if (signal.aborted) cancel();
      call.on('data', (part: MomentsPart__Output) => {
        try {
          take(part);
        } catch (thrown) {
          end(() => reject(asGolddiffError(thrown)));
          call.cancel();
        }
      });
      call.on('error', (error: ServiceError) => end(() => reject(this.#failureOf(error, signal.aborted))));
      call.on('end', () => end(resolve));
    });
  }

  /** The worker is known to be gone though the stream has not noticed: fails its steps now. The next step connects anew. */
  lose(why: string): void {
    const stream = this.#stream;
    if (stream !== undefined) this.#break(stream, why);
  }

  /** Open steps and calls under way fail with WORKER_LOST. */
  close(): void {
    this.#closed = true;
    this.lose('the coordinator closes the link');
    for (const call of this.#calls) call.cancel();
    this.#steps.close();
    this.#control.close();
  }

  #unaryCall<Reply>(start: (done: (error: ServiceError | null, reply?: Reply) => void) => ClientUnaryCall): Promise<Reply> {
    invariant(!this.#closed, 'a closed link makes no calls');
    return new Promise((resolve, reject) => {
      const call = start((error, reply) => {
        this.#calls.delete(call);
        if (error !== null || reply === undefined) reject(this.#failureOf(error ?? new Error('An answer without a message')));
        else resolve(reply);
      });
      this.#calls.add(call);
    });
  }

  /** A call that ended with the link was not cancelled by whoever made it. */
  #failureOf(error: Error, cancelled = false): GolddiffError {
    if (!this.#closed || cancelled) return (isServiceError(error) ? connectionFailure(error, this.#dialling) : undefined) ?? fromServiceError(error);
    return new GolddiffError('WORKER_LOST', `The link to worker ${this.workerId} at ${this.address} was closed`, {}, { cause: error });
  }

  #connect(): StepsStream {
    const stream = this.#steps.Steps();
    stream.on('data', (reply: StepResponse__Output) => this.#open.get(reply.stepId)?.deliver(reply));
    stream.on('error', (error: ServiceError) => {
      const failure = connectionFailure(error, this.#dialling);
      this.#break(stream, failure?.message ?? (error.details || error.message));
    });
    stream.on('end', () => this.#break(stream, 'the worker ended it'));
    return stream;
  }

  #break(stream: StepsStream, why: string): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#drained = undefined;
    // It may be another process by now.
    this.#supports.clear();
    const lost = new GolddiffError('WORKER_LOST', `The stream to worker ${this.workerId} at ${this.address} broke: ${why}`);
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const step of open) step.fail(lost);
    stream.cancel();
  }

  /** Undefined when there is room for more at once. */
  #write(stream: StepsStream, request: StepRequest): Promise<void> | undefined {
    if (this.#stream !== stream || stream.write(request)) return undefined;
    // One wait for all steps: a listener each would be a hundred listeners.
    return (this.#drained ??= new Promise((resolve) => {
      stream.once('drain', () => {
        this.#drained = undefined;
        resolve();
      });
    }));
  }
}

function closed(): GolddiffError {
  return new GolddiffError('CANCELLED', 'The step was closed');
}

class OpenStep implements LinkedStep {
  readonly #replies: StepResponse__Output[] = [];
  /** Made when someone asks: an error gathers a stack, and most steps end without a reader. */
  #failure: (() => GolddiffError) | undefined;
  #waiting: { resolve(reply: StepResponse__Output): void; reject(error: GolddiffError): void } | undefined;
  #onFailure: (() => void) | undefined;
  #sent = false;

  constructor(
    private readonly write: (body: StepBody) => Promise<void> | undefined,
    private readonly forget: () => void,
  ) {}

  async send(body: StepBody): Promise<void> {
    this.#throwIfFailed();
    this.#sent = true;
    const full = this.write(body);
    if (full === undefined) return;
    // A worker that hangs never drains: the failure of the step must end the wait.
    await Promise.race([full, new Promise<void>((resolve) => (this.#onFailure = resolve))]);
    this.#throwIfFailed();
  }

  next(): Promise<StepResponse__Output> {
    invariant(this.#waiting === undefined, 'one reader a step');
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#failure) return Promise.reject(this.#failure());
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }));
  }

  close(reason?: GolddiffError): void {
    if (this.#failure) return;
    if (this.#sent) void this.write({ close: {} });
    this.end(reason);
  }

  end(reason?: GolddiffError): void {
    if (this.#failure) return;
    this.forget();
    this.#fail(reason === undefined ? closed : () => reason);
  }

  #throwIfFailed(): void {
    if (this.#failure) throw this.#failure();
  }

  deliver(reply: StepResponse__Output): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) waiting.resolve(reply);
    else this.#replies.push(reply);
  }

  fail(error: GolddiffError): void {
    this.#fail(() => error);
  }

  #fail(failure: () => GolddiffError): void {
    this.#failure = failure;
    this.#replies.length = 0;
    this.#onFailure?.();
    this.#waiting?.reject(failure());
    this.#waiting = undefined;
  }
}
