/**
 * ScoreService: one batch by itself, or many over one stream. On a stream the batches run as they come, a few at once, and are answered in the order in
 * which they came; a bad one is answered by its failure and the stream goes on.
 */

import type { ScoreRequest__Output } from '../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse } from '../proto/generated/golddiff/v1/ScoreResponse.js';
import type { ScoreServiceHandlers } from '../proto/generated/golddiff/v1/ScoreService.js';
import type { ScoreStreamRequest__Output } from '../proto/generated/golddiff/v1/ScoreStreamRequest.js';
import type { ScoreStreamResponse } from '../proto/generated/golddiff/v1/ScoreStreamResponse.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { argumentError, asGolddiffError } from '../shared/errors.js';
import { SCORE_STREAM_PENDING_MAX } from '../shared/limits.js';
import { bidi, unary, type CallContext } from '../shared/rpc/handlers.js';
import { encoded } from './answer-bytes.js';
import { planScore } from './score-request.js';
import type { StepScheduler } from './step-scheduler.js';

export function scoreService(manifest: Manifest, scheduler: StepScheduler): ScoreServiceHandlers {
  const score = async <T extends object>(request: ScoreRequest__Output, context: CallContext, wrap: (response: ScoreResponse) => T): Promise<T> => {
    const { step, respond } = planScore(request, manifest);
    const answer = await scheduler.run(step, context);
    return encoded(() => wrap(respond(answer)));
  };

  const one = async ({ id, request }: ScoreStreamRequest__Output, context: CallContext): Promise<ScoreStreamResponse> => {
    try {
      if (!request) throw argumentError('request', 'a ScoreRequest', 'nothing');
      return await score(request, context, (response) => ({ id, response }));
    } catch (thrown) {
      // Nobody is there to read a failure of the whole stream.
      if (context.signal.aborted) throw thrown;
      const error = asGolddiffError(thrown);
      if (error.code === 'INTERNAL') context.log.error({ err: thrown, id }, 'a batch of a stream failed by a fault of ours');
      return { id, failure: { code: error.grpcStatus, reason: error.code, message: error.message, retryAfterMs: error.data.retryAfterMs ?? 0 } };
    }
  };

  return {
    Score: unary((request, context) => score(request, context, (response) => response)),
    ScoreStream: bidi<ScoreStreamRequest__Output, ScoreStreamResponse>(async (requests, context, write) => {
      let sent = Promise.resolve();
      const window: Promise<void>[] = [];
      for await (const request of until(requests, context.draining)) {
        const answer = one(request, context);
        answer.catch(() => {});
        sent = sent.then(async () => write(await answer));
        sent.catch(() => {});
        window.push(sent);
        if (window.length >= SCORE_STREAM_PENDING_MAX) await window.shift();
      }
      await sent;
    }),
  };
}

/** The items until the signal fires; what was taken before is finished by the caller. */
async function* until<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  for (;;) {
    const next = iterator.next();
    next.catch(() => {});
    const result = await Promise.race([next, stopped]);
    if (result === undefined || result.done === true) return;
    yield result.value;
  }
}
