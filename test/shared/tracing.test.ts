import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startTracing, within, type Tracing } from '../../shared/tracing.js';
import { startOtlpReceiver, type OtlpReceiver } from '../support/otlp-receiver.js';
import { until } from '../support/until.js';

async function traced(t: TestContext): Promise<{ receiver: OtlpReceiver; tracing: Tracing; warnings: string[] }> {
  const receiver = await startOtlpReceiver();
  const warnings: string[] = [];
  const log = { warn: (_: object, text: string) => warnings.push(text), info: () => {} } as never;
  const tracing = await startTracing({ endpoint: receiver.url, component: 'coordinator', instance: 'c-1', log });
  t.after(async () => {
    await tracing.close();
    await receiver.close();
  });
  return { receiver, tracing, warnings };
}

test('spans arrive with their parents, names and failures, and the last ones before the end', async (t) => {
  const { receiver, tracing } = await traced(t);
  const root = tracing.start('call', 'server');
  const child = root.child('merge', { batch: 4 });
  child.end();
  child.end(new Error('too late to fail'));
  assert.equal(await within(root.child('fine'), () => Promise.resolve(7)), 7);
  await assert.rejects(
    within(root.child('wrong'), () => Promise.reject(new Error('no'))),
    /no/,
  );
  assert.equal(await within(undefined, () => Promise.resolve(8)), 8);
  root.end();
  await tracing.close();
  const [, traceId, spanId] = root.traceparent.split('-');
  const rootSpan = receiver.spans.find(({ name }) => name === 'call')!;
  assert.deepEqual(
    [rootSpan.traceId, rootSpan.spanId, rootSpan.parentSpanId, rootSpan.service, rootSpan.instance],
    [traceId, spanId, '', 'golddiff-coordinator', 'c-1'],
  );
  const children = receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId);
  assert.deepEqual(
    children.map(({ name, failed }) => [name, failed]),
    [
      ['merge', false],
      ['fine', false],
      ['wrong', true],
    ],
  );
  assert.ok(receiver.spans.every((span) => span.traceId === traceId && span.endMs >= span.startMs));
});

test('a trace goes on where a context is given, a caller that does not sample is heeded, and nonsense is passed over', async (t) => {
  const { receiver, tracing } = await traced(t);
  const caller = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}`;
  const sampled = tracing.start('sampled', 'server', `${caller}-01`);
  assert.deepEqual(Object.keys(sampled.exemplar), ['trace_id', 'span_id']);
  assert.equal(sampled.exemplar['trace_id'], 'ab'.repeat(16));
  sampled.end();
  const silent = tracing.start('silent', 'server', `${caller}-00`);
  assert.deepEqual(silent.exemplar, {});
  assert.match(silent.child('below').traceparent, /-00$/);
  silent.end();
  for (const wrong of ['', 'x', `00-${'0'.repeat(10)}-1-01`]) tracing.start('own', 'server', wrong).end();
  await tracing.close();
  assert.deepEqual(
    receiver.spans.map(({ name, parentSpanId }) => [name, parentSpanId]),
    [['sampled', 'cd'.repeat(8)], ...[1, 2, 3].map(() => ['own', ''])],
  );
});

test('a collector that refuses is told once, and nothing waits for it', async (t) => {
  const { receiver, tracing, warnings } = await traced(t);
  receiver.status = 400;
  for (let i = 0; i < 3; i++) {
    tracing.start('lost', 'internal').end();
    await until(() => warnings.length > 0, 'the refusal is noted');
  }
  assert.deepEqual(warnings, ['traces do not arrive; they are dropped']);
});
