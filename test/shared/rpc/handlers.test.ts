import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Metadata, status as GrpcStatus, type ServiceError } from '@grpc/grpc-js';
import type { Dataset__Output } from '../../../proto/generated/golddiff/v1/Dataset.js';
import type { GetDatasetRequest__Output } from '../../../proto/generated/golddiff/v1/GetDatasetRequest.js';
import type { Dataset } from '../../../proto/generated/golddiff/v1/Dataset.js';
import { argumentError, GolddiffError } from '../../../shared/errors.js';
import { DEADLINE_EARLY_MS } from '../../../shared/limits.js';
import { unary, type CallContext } from '../../../shared/rpc/handlers.js';
import { fromServiceError } from '../../../shared/rpc/status.js';
import { serve, type ServerUnderTest } from './server-under-test.js';

type Get = (request: GetDatasetRequest__Output, context: CallContext) => Promise<Dataset>;

/** Long enough that a call of a busy machine begins before it is over. */
const DEADLINE_MS = 2_000;

const never = (context: CallContext): Promise<never> =>
  new Promise((_, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error)));

function get(
  under: ServerUnderTest,
  metadata = new Metadata(),
  deadline?: number,
): Promise<Dataset__Output> & { header: Promise<Metadata>; cancel(): void } {
  let settle: { resolve(value: Dataset__Output): void; reject(error: unknown): void };
  const answer = new Promise<Dataset__Output>((resolve, reject) => (settle = { resolve, reject }));
  const call = under.dataset.get({ name: 'mnist' }, metadata, deadline === undefined ? {} : { deadline }, (error, value) =>
    error === null && value !== undefined ? settle.resolve(value) : settle.reject(error),
  );
  return Object.assign(answer, { header: once(call, 'metadata').then(([header]) => header as Metadata), cancel: () => call.cancel() });
}

async function withGet(handler: Get, body: (under: ServerUnderTest) => Promise<void>): Promise<void> {
  const under = await serve({ dataset: { Get: unary(handler) } });
  try {
    await body(under);
  } finally {
    under.close();
  }
}

describe('unary', () => {
  it('answers, with the request id that the caller gave', () =>
    withGet(
      async ({ name }, { requestId }) => ({ name: `${name} ${requestId}`, rows: 7 }),
      async (under) => {
        const metadata = new Metadata();
        metadata.set('x-request-id', 'run-17');
        const call = get(under, metadata);
        assert.deepEqual((await call.header).get('x-request-id'), ['run-17']);
        assert.equal((await call).name, 'mnist run-17');
      },
    ));

  it('makes a request id where none or an unfit one is given', () =>
    withGet(
      async (_, { requestId }) => ({ name: requestId }),
      async (under) => {
        for (const given of [undefined, 'has spaces', 'x'.repeat(129)]) {
          const metadata = new Metadata();
          if (given !== undefined) metadata.set('x-request-id', given);
          const call = get(under, metadata);
          const id = (await call.header).get('x-request-id')[0];
          assert.match(String(id), /^[0-9a-f-]{36}$/);
          assert.equal((await call).name, id);
        }
      },
    ));

  it('carries an error of ours to the caller whole', () =>
    withGet(
      async () => {
        throw new GolddiffError('PARTITION_MISSING', 'Partition 3 has no live replica', { partitions: [3] });
      },
      async (under) => {
        await assert.rejects(get(under), (error: ServiceError) => {
          const restored = fromServiceError(error);
          return error.code === GrpcStatus.UNAVAILABLE && restored.code === 'PARTITION_MISSING' && restored.data.partitions?.[0] === 3;
        });
      },
    ));

  it('logs a bug with its stack and request id, and tells the caller nothing of it', () =>
    withGet(
      async () => {
        throw new TypeError('secret of the inside');
      },
      async (under) => {
        await assert.rejects(get(under), (error: ServiceError) => error.code === GrpcStatus.INTERNAL && !error.message.includes('secret'));
        const line = under.lines.find(({ level }) => level === 50);
        assert.ok(line !== undefined);
        assert.match((line['err'] as { stack: string }).stack, /secret of the inside\n\s+at /);
        assert.match(String(line['requestId']), /^[0-9a-f-]{36}$/);
      },
    ));

  it('turns a handler that throws before its first await into a status', () =>
    withGet(
      () => {
        throw argumentError('name', 'a name', '');
      },
      async (under) => {
        await assert.rejects(get(under), { code: GrpcStatus.INVALID_ARGUMENT });
      },
    ));

  it('fires the signal when the caller cancels', async () => {
    let reason: unknown;
    let started: () => void = () => {};
    const running = new Promise<void>((resolve) => (started = resolve));
    let ended: () => void = () => {};
    const over = new Promise<void>((resolve) => (ended = resolve));
    await withGet(
      async (_, context) => {
        started();
        try {
          return await never(context);
        } finally {
          reason = context.signal.reason;
          ended();
        }
      },
      async (under) => {
        const call = get(under);
        await running;
        call.cancel();
        await assert.rejects(call, { code: GrpcStatus.CANCELLED });
        await over;
        assert.equal((reason as GolddiffError).code, 'CANCELLED');
      },
    );
  });

  it('fires the signal when the deadline has passed, and knows how much is left before', async () => {
    let reason: unknown;
    let left = 0;
    let leftAtEnd = NaN;
    let ended: () => void = () => {};
    const over = new Promise<void>((resolve) => (ended = resolve));
    await withGet(
      async (_, context) => {
        left = context.remainingMs();
        try {
          return await never(context);
        } finally {
          reason = context.signal.reason;
          leftAtEnd = context.remainingMs();
          ended();
        }
      },
      async (under) => {
        await assert.rejects(get(under, undefined, Date.now() + DEADLINE_MS), { code: GrpcStatus.DEADLINE_EXCEEDED });
        await over;
        assert.ok(left > 0 && left <= DEADLINE_MS, `${left} ms`);
        assert.ok(leftAtEnd <= DEADLINE_EARLY_MS, `${leftAtEnd} ms`);
        assert.equal((reason as GolddiffError).code, 'DEADLINE_EXCEEDED');
      },
    );
  });

  it('takes a caller that gives up just before its deadline for one whose timer was early', async () => {
    const reasons: unknown[] = [];
    let ended: () => void = () => {};
    await withGet(
      async (_, context) => never(context).finally(() => (reasons.push(context.signal.reason), ended())),
      async (under) => {
        for (const left of [DEADLINE_EARLY_MS / 2, DEADLINE_EARLY_MS * 100]) {
          const deadline = Date.now() + DEADLINE_MS + left;
          const over = new Promise<void>((resolve) => (ended = resolve));
          const call = get(under, undefined, deadline);
          setTimeout(() => call.cancel(), deadline - left - Date.now());
          await assert.rejects(call);
          await over;
        }
      },
    );
    assert.deepEqual(
      reasons.map((reason) => (reason as GolddiffError).code),
      ['DEADLINE_EXCEEDED', 'CANCELLED'],
    );
  });

  it('has no deadline where the caller sets none', () =>
    withGet(
      async (_, context) => ({ name: `${context.deadlineUnixMs} ${context.remainingMs()}` }),
      async (under) => {
        assert.equal((await get(under)).name, 'undefined Infinity');
      },
    ));

  it('keeps the signal still once the handler has ended', async () => {
    let signal: AbortSignal | undefined;
    await withGet(
      async (_, context) => {
        signal = context.signal;
        return {};
      },
      async (under) => {
        await get(under, undefined, Date.now() + 5_000);
      },
    );
    assert.equal(signal?.aborted, false);
  });
});
