import assert from 'node:assert/strict';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { status as GrpcStatus } from '@grpc/grpc-js';
import type { StepRequest__Output } from '../../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse } from '../../proto/generated/golddiff/v1/StepResponse.js';
import { WorkerLink } from '../../coordinator/worker-link.js';
import { GolddiffError } from '../../shared/errors.js';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { createLogger } from '../../shared/log.js';
import { startGrpcServer, type GrpcServer } from '../../shared/rpc/grpc-server.js';
import { bidi, unary, type Write } from '../../shared/rpc/handlers.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { TlsFiles } from '../../shared/tls/tls-files.js';
import { opensslMissing, TestAuthority } from '../support/certificates.js';

type Handler = (requests: AsyncIterable<StepRequest__Output>, write: Write<StepResponse>) => Promise<void>;

async function serve(t: TestContext, handler: Handler, listen = '127.0.0.1:0', tls?: TlsFiles): Promise<GrpcServer> {
  const server = await startGrpcServer({
    listen,
    tls,
    services: [
      {
        service: protoPackage.ShardService.service,
        implementation: {
          Describe: unary(async () => ({ workerId: 'w' })),
          Assign: unary(async () => {
            throw new GolddiffError('DATA_SET_MISMATCH', 'another data set');
          }),
          Steps: bidi<StepRequest__Output, StepResponse>((requests, _context, write) => handler(requests, write)),
        },
      },
    ],
    log: createLogger('test', 'silent'),
    messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX,
  });
  t.after(() => server.forceStop());
  return server;
}

function linkTo(t: TestContext, address: string): WorkerLink {
  const link = new WorkerLink('w', address);
  t.after(() => link.close());
  return link;
}

/** Answers every chunk by its length, in reverse order of pairs. */
const swapPairs: Handler = async (requests, write) => {
  let held: StepRequest__Output | undefined;
  for await (const request of requests) {
    if (!request.xChunk) continue;
    if (held === undefined) {
      held = request;
      continue;
    }
    for (const r of [request, held]) await write({ stepId: r.stepId, screenDone: { computeMs: r.xChunk!.data.length } });
    held = undefined;
  }
};

test('replies find their step whatever order they come in', async (t) => {
  const link = linkTo(t, (await serve(t, swapPairs)).address);
  const [a, b] = [link.openStep(), link.openStep()];
  await a.send({ xChunk: { data: Buffer.alloc(5) } });
  await b.send({ xChunk: { data: Buffer.alloc(7) } });
  assert.equal((await a.next()).screenDone!.computeMs, 5);
  assert.equal((await b.next()).screenDone!.computeMs, 7);
  assert.equal(link.openSteps, 2);
  a.close();
  a.close();
  assert.equal(link.openSteps, 1);
  await assert.rejects(a.next(), { code: 'CANCELLED' });
  await assert.rejects(a.send({ close: {} }), { code: 'CANCELLED' });
});

test('a step that was closed tells the worker once, one that has ended or never began does not', async (t) => {
  const closes: number[] = [];
  const server = await serve(t, async (requests, write) => {
    for await (const { stepId, close, xChunk } of requests) {
      if (close) closes.push(stepId);
      if (xChunk) await write({ stepId, screenDone: {} });
    }
  });
  const link = linkTo(t, server.address);
  const [closed, ended, unused, last] = [link.openStep(), link.openStep(), link.openStep(), link.openStep()];
  await closed.send({ open: {} });
  await ended.send({ open: {} });
  closed.close();
  closed.close();
  closed.end();
  ended.end();
  ended.close();
  unused.close();
  await last.send({ xChunk: { data: Buffer.alloc(1) } });
  await last.next();
  assert.deepEqual(closes, [1]);
  assert.equal(link.openSteps, 1);
  await assert.rejects(ended.next(), { code: 'CANCELLED' });
});

test('a stream that breaks fails every open step, and the next step connects anew', async (t) => {
  const first = await serve(t, swapPairs);
  const link = linkTo(t, first.address);
  const steps = [link.openStep(), link.openStep()];
  await Promise.all(steps.map((step) => step.send({ open: {} })));
  const waiting = steps.map((step) => assert.rejects(step.next(), { code: 'WORKER_LOST', message: /worker w at 127/ }));
  first.forceStop();
  await Promise.all(waiting);
  assert.equal(link.openSteps, 0);
  await serve(t, swapPairs, first.address);
  for (let attempt = 0; ; attempt++) {
    const [a, b] = [link.openStep(), link.openStep()];
    try {
      await a.send({ xChunk: { data: Buffer.alloc(1) } });
      await b.send({ xChunk: { data: Buffer.alloc(2) } });
      assert.equal((await b.next()).screenDone!.computeMs, 2);
      return;
    } catch (error) {
      // The channel backs off for a moment after a refused connection.
      assert.ok(error instanceof GolddiffError && error.code === 'WORKER_LOST' && attempt < 100);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
});

test('a worker that does not read stops the sender, and closing the step frees it', async (t) => {
  const hang: Handler = async (requests) => {
    for await (const _request of requests) await new Promise(() => {});
  };
  const link = linkTo(t, (await serve(t, hang)).address);
  const step = link.openStep();
  let sent = 0;
  const sending = (async () => {
    for (;;) {
      await step.send({ xChunk: { data: Buffer.alloc(256 * 1024) } });
      sent++;
    }
  })();
  const stopped = assert.rejects(sending, { code: 'CANCELLED', message: 'enough' });
  // It stands when nothing has gone for half a second; on a busy machine the first pieces take their time.
  for (let before = -1; before !== sent || sent === 0; await new Promise((resolve) => setTimeout(resolve, 500))) before = sent;
  assert.ok(sent < 100, `${sent} chunks went into nothing`);
  step.close(new GolddiffError('CANCELLED', 'enough'));
  await stopped;
});

test('a worker that is known to be lost fails its steps at once', async (t) => {
  const link = linkTo(t, (await serve(t, swapPairs)).address);
  const step = link.openStep();
  const waiting = assert.rejects(step.next(), { code: 'WORKER_LOST', message: /its lease ended/ });
  link.lose('its lease ended');
  await waiting;
});

test('a call that ends with its link is one that lost its worker', async (t) => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.after(() => silent.close());
  const link = linkTo(t, `127.0.0.1:${(silent.address() as AddressInfo).port}`);
  const never = new AbortController().signal;
  const ended = [link.describe(60_000), link.moments({}, 60_000, never, () => {})].map((call) => assert.rejects(call, { code: 'WORKER_LOST' }));
  const cancelling = new AbortController();
  const cancelled = assert.rejects(
    link.moments({}, 60_000, cancelling.signal, () => {}),
    { code: 'CANCELLED' },
  );
  cancelling.abort();
  await cancelled;
  link.close();
  await Promise.all(ended);
});

test('unary calls give the error that the worker threw, or WORKER_LOST where there is none', async (t) => {
  const server = await serve(t, swapPairs);
  const link = linkTo(t, server.address);
  assert.equal((await link.describe(2_000)).workerId, 'w');
  await assert.rejects(link.assign({ dataSet: 'd' }, 2_000), { code: 'DATA_SET_MISMATCH', message: 'another data set' });
  server.forceStop();
  await assert.rejects(link.describe(2_000), { code: 'WORKER_LOST' });
});

test('what TLS refuses fails a step as a lost worker, a call as TLS_FAILED, each with the reason', { skip: opensslMissing ?? false }, async (t) => {
  const [authority, stranger] = [new TestAuthority('an authority'), new TestAuthority('a stranger')];
  const own = authority.sign('w');
  const { address } = await serve(t, swapPairs, '127.0.0.1:0', new TlsFiles({ ca: authority.caFile, cert: own.certFile, key: own.keyFile }));
  const [good, wrong] = [authority, stranger].map(({ caFile }) => {
    const link = new WorkerLink('w', address, { files: new TlsFiles({ ca: caFile, cert: own.certFile, key: own.keyFile }) });
    t.after(() => link.close());
    return link;
  }) as [WorkerLink, WorkerLink];
  assert.equal((await good.describe(60_000)).workerId, 'w');
  const reason = `The certificate of ${address} is not of the authority in --tls-ca ${stranger.caFile}`;
  await assert.rejects(wrong.describe(60_000), { code: 'TLS_FAILED', message: reason, grpcStatus: GrpcStatus.UNAVAILABLE });
  await assert.rejects(wrong.openStep().next(), { code: 'WORKER_LOST', message: `The stream to worker w at ${address} broke: ${reason}` });
});
