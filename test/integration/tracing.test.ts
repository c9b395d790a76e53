import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient } from '../../client/golddiff-client.js';
import { startTracing, type Tracing } from '../../shared/tracing.js';
import { importMnist, mnistTestImages } from '../support/data-sets.js';
import { startOtlpReceiver, type OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.js';
import { until } from '../support/until.js';

const WORKERS = 2;
let receiver: OtlpReceiver;
let cluster: EmbeddedCluster;
let tracing: Tracing;
let client: GolddiffClient;

before(async () => {
  receiver = await startOtlpReceiver();
  const dataDir = await importMnist(0, 800, 4);
  cluster = await startEmbeddedCluster({ dataDir, shards: WORKERS, metrics: true, otlpEndpoint: receiver.url, logLevel: 'error' });
  tracing = await startTracing({ endpoint: receiver.url, component: 'client', instance: 'test' });
  client = connect(cluster.endpoint, { tracing });
});

after(async () => {
  client?.close();
  await tracing?.close();
  await cluster?.stop();
  await receiver?.close();
});

/** Spans of the newest trace that a call of the client began, once all of them are there. */
async function traceOf(root: string, isWhole: (spans: readonly ReceivedSpan[]) => boolean): Promise<ReceivedSpan[]> {
  let spans: ReceivedSpan[] = [];
  const look = (): boolean => {
    const first = receiver.spans.filter(({ name }) => name === root).at(-1);
    spans = receiver.spans.filter(({ traceId }) => traceId === first?.traceId);
    return isWhole(spans);
  };
  await until(look, `a whole trace of ${root}, of ${receiver.spans.map(({ name }) => name).join()}`, 60_000);
  return spans;
}

function parentOf(span: ReceivedSpan, spans: readonly ReceivedSpan[]): ReceivedSpan {
  const parent = spans.find(({ spanId }) => spanId === span.parentSpanId);
  assert.ok(parent, `${span.name} has its parent in the trace`);
  return parent;
}

test('one trace spans the call of the client, the phases of the coordinator and the rounds of every worker', async () => {
  await client.score({ x: mnistTestImages(2), shape: [2, 784], t: 300 });
  const named = (spans: readonly ReceivedSpan[], name: string): ReceivedSpan[] => spans.filter((span) => span.name === name);
  const spans = await traceOf('client score', (found) => named(found, 'worker SUMS').length === WORKERS && named(found, 'merge').length > 0);
  const [call] = named(spans, 'ScoreService/Score');
  const [step] = named(spans, 'step');
  assert.equal(parentOf(call!, spans).name, 'client score');
  assert.deepEqual([parentOf(call!, spans).service, call!.service], ['golddiff-client', 'golddiff-coordinator']);
  assert.equal(parentOf(step!, spans).name, 'ScoreService/Score');
  assert.equal(parentOf(named(spans, 'queue')[0]!, spans).name, 'ScoreService/Score');
  for (const phase of ['scatter', 'aggregate', 'merge']) {
    const found = named(spans, phase);
    assert.ok(found.length > 0, phase);
    for (const span of found) assert.equal(parentOf(span, spans).name, 'step');
  }
  for (const stage of ['SCALARS', 'SUMS']) {
    const work = named(spans, `worker ${stage}`);
    assert.deepEqual(new Set(work.map(({ instance }) => instance)).size, WORKERS, 'every worker, under its own name');
    for (const span of work) {
      assert.equal(span.service, 'golddiff-shard-worker');
      const round = parentOf(span, spans);
      assert.equal(round.name, `round ${stage}`);
      assert.equal(parentOf(round, spans).name, 'aggregate');
    }
  }
  const roots = spans.filter(({ parentSpanId }) => parentSpanId === '');
  assert.deepEqual(
    roots.map(({ name }) => name),
    ['client score'],
  );
});

test('a sample is one trace with a step for each evaluation, and screens of golden subsets are in it', async () => {
  const steps = 3;
  for await (const _ of client.sample({ count: 1, steps, retrieval: { kind: 'golden', search: 'scan' } }));
  const spans = await traceOf('client sample', (found) => found.filter(({ name }) => name === 'step').length === steps);
  assert.ok(spans.some(({ name }) => name === 'worker PROXY_DISTANCE'));
  assert.equal(spans.filter(({ name }) => name === 'screen').length, steps);
});

test('a failed call is a failed span, and a context of the caller without our tracing is taken up', async () => {
  const plain = connect(cluster.endpoint);
  const traceId = '5'.repeat(32);
  const traceparent = `00-${traceId}-${'6'.repeat(16)}-01`;
  await assert.rejects(plain.score({ x: mnistTestImages(1), shape: [1, 783 + 1], t: 4_000 }, { traceparent }), { code: 'ARGUMENT_INVALID' });
  await until(() => receiver.spans.some((span) => span.traceId === traceId), 'the span of the call', 60_000);
  const [span] = receiver.spans.filter((each) => each.traceId === traceId);
  assert.deepEqual([span!.name, span!.failed, span!.parentSpanId], ['ScoreService/Score', true, '6'.repeat(16)]);
  plain.close();
});

test('a job is a trace of its own, begun by the coordinator that runs it', async () => {
  const { jobId } = await client.jobs.submit('traced', { count: 1, steps: 2 });
  await until(async () => (await client.jobs.get(jobId)).state === 'succeeded', 'the job is done', 60_000);
  const spans = await traceOf('job', (found) => found.filter(({ name }) => name === 'step').length === 2);
  assert.ok(spans.filter(({ name }) => name === 'step').every((span) => parentOf(span, spans).name === 'job'));
});

test('exemplars of both processes lead to these traces', async () => {
  const traces = new Set(receiver.spans.map(({ traceId }) => traceId));
  const addresses = [...cluster.metricsEndpoints.values()];
  assert.ok(addresses.length > WORKERS);
  for (const address of addresses) {
    const response = await fetch(`http://${address}/metrics`, { headers: { accept: 'application/openmetrics-text' } });
    const found = [...(await response.text()).matchAll(/ # \{trace_id="(\w+)"/g)].map(([, traceId]) => traceId!);
    assert.ok(found.length > 0, address);
    for (const traceId of found) assert.ok(traces.has(traceId), `${traceId} of ${address}`);
  }
});
