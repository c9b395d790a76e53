import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials, makeClientConstructor } from '@grpc/grpc-js';
import type { StepRequest__Output } from '../../../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse, StepResponse__Output } from '../../../proto/generated/golddiff/v1/StepResponse.js';
import { createLogger } from '../../../shared/log.js';
import { countedService, type MessageCounter } from '../../../shared/rpc/counted-messages.js';
import { startGrpcServer } from '../../../shared/rpc/grpc-server.js';
import { bidi } from '../../../shared/rpc/handlers.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';

test('both ends count the same messages and bytes, each from its own side, and other methods not at all', async (t) => {
  const service = protoPackage.ShardService.service;
  const counts = { client: { sent: [] as number[], received: [] as number[] }, server: { sent: [] as number[], received: [] as number[] } };
  const counter =
    (end: 'client' | 'server'): MessageCounter =>
    (direction, bytes) =>
      void counts[end][direction].push(bytes);
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    services: [
      {
        service: countedService(service, 'Steps', 'server', counter('server')),
        implementation: {
          Steps: bidi<StepRequest__Output, StepResponse>(async (requests, _context, write) => {
            for await (const { stepId, xChunk } of requests) await write({ stepId, screenDone: { computeMs: xChunk!.data.length } });
          }),
        },
      },
    ],
    log: createLogger('test', 'silent'),
    messageBytesMax: 1_000_000,
  });
  t.after(() => server.forceStop());
  const Client = makeClientConstructor(
    countedService(service, 'Steps', 'client', counter('client')),
    'ShardService',
  ) as unknown as typeof protoPackage.ShardService;
  const client = new Client(server.address, credentials.createInsecure());
  t.after(() => client.close());
  const steps = client.Steps();
  const replies: StepResponse__Output[] = [];
  const done = new Promise<void>((resolve, reject) => {
    steps.on('data', (reply: StepResponse__Output) => replies.push(reply));
    steps.on('end', resolve);
    steps.on('error', reject);
  });
  for (const length of [0, 10, 1_000]) steps.write({ stepId: length, xChunk: { data: Buffer.alloc(length) } });
  steps.end();
  await done;
  assert.deepEqual(
    replies.map(({ screenDone }) => screenDone?.computeMs),
    [0, 10, 1_000],
  );
  assert.deepEqual(counts.server.received, counts.client.sent);
  assert.deepEqual(counts.client.received, counts.server.sent);
  const empty = protoPackage.StepRequest.serialize({ stepId: 0, xChunk: { data: Buffer.alloc(0) } }).length;
  assert.equal(counts.client.sent[0], empty);
  assert.ok(counts.client.sent[2]! > 1_000 && counts.client.sent[2]! < 1_020, String(counts.client.sent[2]));
  await new Promise<void>((resolve) => client.Describe({}, () => resolve()));
  assert.equal(counts.client.sent.length, 3);
});
