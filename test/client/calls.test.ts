import assert from 'node:assert/strict';
import { test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import { metadataOf, optionsOf } from '../../client/calls.js';
import { startCannedCoordinator, cannedScore } from '../support/canned-coordinator.js';

const query = { x: new Float32Array(4), shape: [1, 4], t: 1 };

test('a timeout is a deadline and a request id is a header', () => {
  const before = Date.now();
  const { deadline } = optionsOf({ timeoutMs: 500 });
  assert.ok(Number(deadline) >= before + 500 && Number(deadline) <= Date.now() + 500);
  assert.deepEqual(metadataOf({ requestId: 'abc' }).get('x-request-id'), ['abc']);
  assert.deepEqual(optionsOf({}), {});
});

test('a call past its timeout fails with DEADLINE_EXCEEDED and the server hears of it', async () => {
  const server = await startCannedCoordinator({
    score: (_, context) => new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error))),
  });
  const client = connect(server.endpoint);
  await assert.rejects(client.score(query, { timeoutMs: 50 }), { code: 'DEADLINE_EXCEEDED' });
  client.close();
});

test('a signal that fired before the call ends it before it is sent, and one that fires later cancels it', async () => {
  const server = await startCannedCoordinator({
    score: (_, context) => new Promise((_resolve, reject) => context.signal.addEventListener('abort', () => reject(context.signal.reason as Error))),
  });
  const client = connect(server.endpoint);
  await assert.rejects(client.score(query, { signal: AbortSignal.abort() }), { code: 'CANCELLED' });
  assert.equal(server.scoreRequests.length, 0);
  const controller = new AbortController();
  const pending = client.score(query, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(pending, { code: 'CANCELLED' });
  client.close();
});

test('the request id of the caller reaches the server', async () => {
  let seen = '';
  const server = await startCannedCoordinator({
    score: (request, context) => {
      seen = context.requestId;
      return cannedScore(request);
    },
  });
  const client = connect(server.endpoint);
  await client.score(query, { requestId: 'run-7' });
  assert.equal(seen, 'run-7');
  client.close();
});
