import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { connect } from '../../client/golddiff-client.js';
import type { SampleEvent } from '../../client/sample-call.js';
import { GolddiffError } from '../../shared/errors.js';
import { startCannedCoordinator } from '../support/canned-coordinator.js';

const server = await startCannedCoordinator();
const client = connect(server.endpoint, { timeoutMs: 10_000 });
after(() => client.close());

test('a batch goes out as it is and its answer comes back as typed arrays', async () => {
  const answer = await client.score({ x: Float32Array.of(2, 4, 6, 8), shape: [1, 4], t: 300, returnScore: true, returnMassRows: true });
  assert.deepEqual([...answer.x0hat], [1, 2, 3, 4]);
  assert.deepEqual(answer.shape, [1, 4]);
  assert.deepEqual([...(answer.score ?? [])], [1, 2, 3, 4]);
  assert.equal(answer.eps, undefined);
  assert.equal(answer.tailMassKind, 'exact');
  assert.deepEqual(answer.massRows?.rows99, [3]);
  const request = server.scoreRequests.at(-1);
  assert.deepEqual(request?.timesteps, { schedule: 'DDPM_LINEAR', t: [300] });
  assert.equal(request?.retrieval?.kind, 'EXACT_SCAN');
});

test('a refusal by the server comes back as the same error with its field', async () => {
  const refusing = await startCannedCoordinator({
    score: () => Promise.reject(new GolddiffError('TENSOR_INVALID', 'Expected 784 for x.shape[1] but received 4', { field: 'x.shape[1]' })),
  });
  const other = connect(refusing.endpoint);
  await assert.rejects(other.score({ x: new Float32Array(4), shape: [1, 4], t: 0 }), (error) => {
    assert.ok(error instanceof GolddiffError);
    assert.deepEqual([error.code, error.data.field, error.message], ['TENSOR_INVALID', 'x.shape[1]', 'Expected 784 for x.shape[1] but received 4']);
    return true;
  });
  other.close();
});

test('a server that is not there is an error that may be tried again', async () => {
  const nobody = connect('127.0.0.1:1');
  await assert.rejects(nobody.score({ x: new Float32Array(4), shape: [1, 4], t: 0 }), { code: 'WORKER_LOST', retryable: true });
  nobody.close();
});

test('an endpoint without a port is refused', () => {
  assert.throws(() => connect('localhost'), { code: 'ARGUMENT_INVALID', message: 'Expected host:port for endpoint but received "localhost"' });
});

test('data sets are listed over all pages, and one is found by name or as the only one', async () => {
  assert.deepEqual(
    (await client.datasets.list()).map((d) => d.name),
    ['tiny', 'other'],
  );
  assert.equal((await client.datasets.get()).rows, 100);
  await assert.rejects(client.datasets.get('nobody'), { code: 'DATA_SET_UNKNOWN' });
});

test('health is asked for the whole server and for one service', async () => {
  assert.equal(await client.health(), 'SERVING');
  assert.equal(await client.health('golddiff.v1.SamplingService'), 'SERVING');
  await assert.rejects(client.health('golddiff.v1.Nothing'), { code: 'NOT_FOUND' });
});

test('sampling yields typed events that end with the summary', async () => {
  const events: SampleEvent[] = [];
  for await (const event of client.sample({ count: 3, steps: 2, previewEvery: 1, retrieval: { kind: 'golden', variant: 'released' } }))
    events.push(event);
  assert.deepEqual(
    events.map((e) => e.kind),
    ['progress', 'preview', 'progress', 'preview', 'images', 'progress', 'preview', 'progress', 'preview', 'images', 'summary'],
  );
  const last = events.at(-1);
  assert.ok(last?.kind === 'summary' && last.rowsScored === 300 && last.tailMassKind === 'heuristic');
  assert.equal(server.sampleRequests.at(-1)?.retrieval?.variant, 'RELEASED');
});

test('leaving the loop cancels the work on the server', async () => {
  let stopped: (() => void) | undefined;
  const cancelledThere = new Promise<void>((resolve) => (stopped = resolve));
  const endless = await startCannedCoordinator({
    sample: async (_, context, write) => {
      context.signal.addEventListener('abort', () => stopped?.());
      for (let step = 1; ; step++) {
        await write({ progress: { step, steps: 1000 } });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    },
  });
  const other = connect(endless.endpoint);
  for await (const event of other.sample({ count: 1 })) if (event.kind === 'progress' && event.step === 3) break;
  await cancelledThere;
  other.close();
});

test('an AbortSignal makes the loop throw CANCELLED and reaches the server', async () => {
  let stopped: (() => void) | undefined;
  const cancelledThere = new Promise<void>((resolve) => (stopped = resolve));
  const silent = await startCannedCoordinator({
    sample: (_, context, write) =>
      new Promise((_resolve, reject) => {
        void write({ progress: { step: 1, steps: 2 } });
        context.signal.addEventListener('abort', () => {
          stopped?.();
          reject(context.signal.reason as Error);
        });
      }),
  });
  const other = connect(silent.endpoint);
  const controller = new AbortController();
  await assert.rejects(
    async () => {
      for await (const event of other.sample({ count: 1 }, { signal: controller.signal })) if (event.kind === 'progress') controller.abort();
    },
    { code: 'CANCELLED' },
  );
  await cancelledThere;
  other.close();
});

test('a failure after some events is thrown by the loop, after those events', async () => {
  const failing = await startCannedCoordinator({
    sample: async (_, _context, write) => {
      await write({ progress: { step: 1, steps: 2 } });
      throw new GolddiffError('PARTITION_MISSING', 'Expected partitions 3 and 4 to be held by a live worker but none holds them', {
        partitions: [3, 4],
      });
    },
  });
  const other = connect(failing.endpoint);
  let seen = 0;
  await assert.rejects(
    async () => {
      for await (const event of other.sample({ count: 1 })) if (event.kind === 'progress') seen++;
    },
    (error) => error instanceof GolddiffError && error.code === 'PARTITION_MISSING' && error.data.partitions?.join() === '3,4',
  );
  assert.equal(seen, 1);
  other.close();
});
