/**
 * Many batches over one stream, for callers with a sampler of their own: no call is set up for each step. Answers come in the order of the
 * requests; a batch that is refused rejects its own promise and the stream goes on.
 */

import type { ClientDuplexStream } from '@grpc/grpc-js';

import type { ScoreFailure__Output } from '../proto/generated/golddiff/v1/ScoreFailure.js';
import type { ScoreStreamRequest } from '../proto/generated/golddiff/v1/ScoreStreamRequest.js';
import type { ScoreStreamResponse__Output } from '../proto/generated/golddiff/v1/ScoreStreamResponse.js';
import { GolddiffError, isErrorCode } from '../shared/errors.js';
import { fromServiceError } from '../shared/rpc/status.js';
import { cancelled } from './calls.js';
import { decodeScoreResponse, encodeScoreRequest, type ScoreInput, type ScoreResult } from './score-call.js';

interface Pending {
  resolve(result: ScoreResult): void;
  reject(error: GolddiffError): void;
}

export class ScoreStream {
  readonly #call: ClientDuplexStream<ScoreStreamRequest, ScoreStreamResponse__Output>;
  readonly #pending = new Map<number, Pending>();
  readonly #ended: Promise<void>;
  #nextId = 1;
  #failure: GolddiffError | undefined;
  #drained: Promise<void> | undefined;

  /** Made by GolddiffClient.scoreStream. */
  constructor(call: ClientDuplexStream<ScoreStreamRequest, ScoreStreamResponse__Output>, signal: AbortSignal | undefined) {
    this.#call = call;
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    if (signal?.aborted) cancel();
    this.#ended = new Promise((resolve) => {
      const finish = (error: GolddiffError): void => {
        signal?.removeEventListener('abort', cancel);
        this.#failure ??= error;
        for (const pending of this.#pending.values()) pending.reject(this.#failure);
        this.#pending.clear();
        resolve();
      };
      call.on('error', (error) => finish(signal?.aborted ? cancelled(signal) : fromServiceError(error)));
      call.on('end', () => finish(new GolddiffError('CANCELLED', 'The score stream has ended')));
    });
    call.on('data', (message: ScoreStreamResponse__Output) => this.#settle(message));
  }

  /**
   * Sends one batch and resolves with its answer. Waits while the connection is full, so a caller that awaits nothing still cannot fill the memory
   * by more than its own requests. x must not change until the answer is there.
   */
  async send(input: ScoreInput): Promise<ScoreResult> {
    const request = encodeScoreRequest(input);
    while (this.#drained !== undefined) await this.#drained;
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      if (this.#call.write({ id, request })) return;
      this.#drained = Promise.race([new Promise<void>((done) => this.#call.once('drain', done)), this.#ended]).then(() => {
        this.#drained = undefined;
      });
    });
  }

  /** Sends no more; resolves when every answer has come. */
  async end(): Promise<void> {
    this.#call.end();
    await this.#ended;
  }

  /** Ends the stream now; what is under way rejects with CANCELLED. */
  cancel(): void {
    this.#call.cancel();
  }

  #settle(message: ScoreStreamResponse__Output): void {
    const pending = this.#pending.get(message.id);
    if (pending === undefined) return;
    this.#pending.delete(message.id);
    try {
      if (message.response) pending.resolve(decodeScoreResponse(message.response));
      else pending.reject(failureOf(message.failure ?? undefined));
    } catch (thrown) {
      pending.reject(fromServiceError(thrown));
    }
  }
}

function failureOf(failure: ScoreFailure__Output | undefined): GolddiffError {
  if (failure === undefined) return new GolddiffError('INTERNAL', 'Expected an answer or a failure on the score stream but received neither');
  const data = failure.retryAfterMs > 0 ? { retryAfterMs: failure.retryAfterMs } : {};
  return new GolddiffError(isErrorCode(failure.reason) ? failure.reason : 'INTERNAL', failure.message, data);
}
