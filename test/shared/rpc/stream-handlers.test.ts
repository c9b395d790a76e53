import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import type { SampleEvent } from '../../../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest__Output } from '../../../proto/generated/golddiff/v1/SampleRequest.js';
import type { ScoreStreamRequest__Output } from '../../../proto/generated/golddiff/v1/ScoreStreamRequest.js';
import type { ScoreStreamResponse } from '../../../proto/generated/golddiff/v1/ScoreStreamResponse.js';
import { GolddiffError } from '../../../shared/errors.js';
import { STREAM_INBOX_MESSAGES_MAX } from '../../../shared/limits.js';
import { bidi, serverStream, type CallContext, type Write } from '../../../shared/rpc/handlers.js';
import { fromServiceError } from '../../../shared/rpc/status.js';
import { MESSAGE_BYTES_MAX, serve, type ServerUnderTest } from './server-under-test.js';

type Sample = (request: SampleRequest__Output, context: CallContext, write: Write<SampleEvent>) => Promise<void>;
type Stream = (requests: AsyncIterable<ScoreStreamRequest__Output>, context: CallContext, write: Write<ScoreStreamResponse>) => Promise<void>;

/** Waits until the number has grown above 0 and then not for a while. */
async function standsStill(number: () => number): Promise<void> {
  for (let before = 0; before === 0 || number() !== before;) {
    before = number();
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

describe('serverStream', () => {
  async function withSample(handler: Sample, body: (under: ServerUnderTest) => Promise<void>): Promise<void> {
    const under = await serve({ sampling: { Sample: serverStream(handler) } });
    try {
      await body(under);
    } finally {
      under.close();
    }
  }

  it('sends every message in order and then the end', () =>
    withSample(
      async ({ steps }, _, write) => {
        for (let step = 1; step <= steps; step++) await write({ progress: { step } });
      },
      async (under) => {
        const seen: number[] = [];
        for await (const event of under.sampling.sample({ steps: 100 })) seen.push((event as { progress: { step: number } }).progress.step);
        assert.deepEqual(
          seen,
          Array.from({ length: 100 }, (_, i) => i + 1),
        );
      },
    ));

  it('sends what was written before a failure, then the failure', () =>
    withSample(
      async (_, __, write) => {
        await write({ progress: { step: 1 } });
        throw new GolddiffError('QUEUE_FULL', 'The queue is full', { retryAfterMs: 500 });
      },
      async (under) => {
        const call = under.sampling.sample({});
        let messages = 0;
        call.on('data', () => messages++);
        const [error] = (await once(call, 'error')) as [ServiceError];
        assert.equal(messages, 1);
        assert.equal(fromServiceError(error).data.retryAfterMs, 500);
      },
    ));

  it('waits while the caller does not read, and stops when the caller goes', async () => {
    let written = 0;
    let ended: (error: unknown) => void = () => {};
    const over = new Promise<unknown>((resolve) => (ended = resolve));
    const image = Buffer.alloc(50_000);
    await withSample(
      async (_, __, write) => {
        try {
          for (;;) {
            await write({ images: { images: { dtype: 'U8', shape: [50_000], data: image } } });
            written++;
          }
        } catch (error) {
          ended(error);
          throw error;
        }
      },
      async (under) => {
        const call = under.sampling.sample({});
        call.on('error', () => {});
        await once(call, 'readable');
        await standsStill(() => written);
        // Buffers of both ends: 16 messages of each stream and the HTTP/2 windows. Without waiting there would be no end to it.
        assert.ok(written < 200, `${written} messages of 50 kB in flight`);
        call.cancel();
        assert.equal(((await over) as GolddiffError).code, 'CANCELLED');
      },
    );
  });
});

describe('bidi', () => {
  async function withStream(handler: Stream, body: (under: ServerUnderTest) => Promise<void>): Promise<void> {
    const under = await serve({ score: { ScoreStream: bidi(handler) } });
    try {
      await body(under);
    } finally {
      under.close();
    }
  }

  const echo: Stream = async (requests, _, write) => {
    for await (const { id } of requests) await write({ id });
  };

  it('answers each message and ends when the caller has closed its side', () =>
    withStream(echo, async (under) => {
      const call = under.score.scoreStream();
      for (let id = 0; id < 500; id++) call.write({ id });
      call.end();
      const ids: number[] = [];
      for await (const { id } of call as AsyncIterable<{ id: number }>) ids.push(id);
      assert.deepEqual(
        ids,
        Array.from({ length: 500 }, (_, i) => i),
      );
    }));

  it('reads no more than its inbox while the handler is busy', async () => {
    let go: () => void = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    let read = 0;
    await withStream(
      async (requests, _, write) => {
        for await (const { id } of requests) {
          read++;
          if (id === 0) await gate;
          await write({ id });
        }
      },
      async (under) => {
        const call = under.score.scoreStream();
        let sent = 0;
        const data = Buffer.alloc(40_000);
        const sending = (async () => {
          for (let id = 0; id < 300; id++) {
            await new Promise<void>((resolve) => call.write({ id, request: { x: { dtype: 'U8', shape: [1], data } } }, () => resolve()));
            sent++;
          }
          call.end();
        })();
        await standsStill(() => sent);
        assert.equal(read, 1);
        // The inbox, the stream's own 16, and what the HTTP/2 windows hold.
        assert.ok(sent < 5 * STREAM_INBOX_MESSAGES_MAX, `${sent} messages were taken from the caller`);
        go();
        let answers = 0;
        for await (const _ of call) answers++;
        await sending;
        assert.equal(answers, 300);
      },
    );
  });

  it('may end the call while the caller still sends', () =>
    withStream(
      async (requests, _, write) => {
        for await (const { id } of requests) {
          await write({ id });
          break;
        }
      },
      async (under) => {
        const call = under.score.scoreStream();
        call.write({ id: 5 });
        const ids: number[] = [];
        for await (const { id } of call as AsyncIterable<{ id: number }>) ids.push(id);
        assert.deepEqual(ids, [5]);
      },
    ));

  it('stops the handler when the caller vanishes', async () => {
    let ended: (error: unknown) => void = () => {};
    const over = new Promise<unknown>((resolve) => (ended = resolve));
    await withStream(
      async (requests, context, write) => {
        try {
          await echo(requests, context, write);
        } catch (error) {
          ended(error);
          throw error;
        }
      },
      async (under) => {
        const call = under.score.scoreStream();
        call.on('error', () => {});
        call.write({ id: 1 });
        await once(call, 'data');
        call.cancel();
        assert.equal(((await over) as GolddiffError).code, 'CANCELLED');
      },
    );
  });

  it('refuses a message over the limit with RESOURCE_EXHAUSTED, and the server goes on', () =>
    withStream(echo, async (under) => {
      const call = under.score.scoreStream();
      call.on('data', () => {});
      call.write({ id: 1, request: { x: { dtype: 'U8', shape: [1], data: Buffer.alloc(MESSAGE_BYTES_MAX + 1) } } });
      const [error] = (await once(call, 'error')) as [ServiceError];
      assert.equal(error.code, GrpcStatus.RESOURCE_EXHAUSTED);
      assert.equal(fromServiceError(error).code, 'LIMIT_EXCEEDED');
      const next = under.score.scoreStream();
      next.write({ id: 2 });
      next.end();
      const ids: number[] = [];
      for await (const { id } of next as AsyncIterable<{ id: number }>) ids.push(id);
      assert.deepEqual(ids, [2]);
    }));
});
