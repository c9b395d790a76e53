/** --search through a real cluster: the scan until the indexes are ready, then nearly the same answers, and the same bits from the scan throughout. */

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type GoldenRetrieval, type ScoreResult } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { importMnist, plainMnist } from '../support/data-sets.js';

const ROWS = 4000;
const PARTITIONS = 4;
const BATCH = 8;
const DIM = 784;
const GOLDEN: GoldenRetrieval = { kind: 'golden', kMin: 20, kMax: 60, candidatePool: 200 };
/** A row that the index misses moves x0hat by its weight; at t <= 100 nearly all weight is on a few rows, which it finds. */
const X0HAT_TOLERANCE = 1e-3;
const READY_TIMEOUT_MS = 60_000;

const mnist = plainMnist(0, ROWS);
let dataDir: string;
let cluster: EmbeddedCluster;
let client: GolddiffClient;
const lines: string[] = [];

before(async () => {
  dataDir = await importMnist(0, ROWS, PARTITIONS);
  cluster = await startEmbeddedCluster({
    dataDir,
    shards: 2,
    metrics: true,
    logLevel: 'info',
    onLogLine: (line) => lines.push(line),
  });
  client = connect(cluster.endpoint);
});
after(async () => {
  client?.close();
  await cluster?.stop();
});

function score(t: number, search: 'auto' | 'scan' | 'hnsw', change: Partial<GoldenRetrieval> = {}, labels?: number[]): Promise<ScoreResult> {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
  const x = new Float32Array(BATCH * DIM);
  const noise = new Float64Array(DIM);
  for (let b = 0; b < BATCH; b++) {
    fillNormals(noise, 7, b, t);
    for (let p = 0; p < DIM; p++) x[b * DIM + p] = alpha * (mnist.pixels[b * 401 * DIM + p]! / 127.5 - 1) + sigma * noise[p]!;
  }
  const retrieval = { ...GOLDEN, ...change, search };
  return client.score({ x, shape: [BATCH, DIM], t, retrieval, resultDtype: 'f64', ...(labels && { labels }) });
}

/** What is the same whenever the same rows were used. */
const valuesOf = (r: ScoreResult): unknown => [r.x0hat, r.logZ, r.effectiveSupport, r.tailMassBound, r.goldenRows];

/** Sum over the workers of the samples of a metric whose line begins so. */
async function metric(prefix: string): Promise<number> {
  let sum = 0;
  for (const [name, address] of cluster.metricsEndpoints) {
    if (!name.startsWith('shard worker')) continue;
    const text = await (await fetch(`http://${address}/metrics`)).text();
    for (const line of text.split('\n')) if (line.startsWith(prefix)) sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

test('the first wish for an index is answered by the scan, bit for bit, and starts the builds; health and other requests go on', async (t) => {
  assert.equal(await metric('golddiff_worker_indexes_ready'), 0, 'small partitions get no index by themselves');
  const scanned = await score(100, 'scan');
  assert.deepEqual(valuesOf(await score(100, 'hnsw')), valuesOf(scanned));
  assert.equal(await metric('golddiff_worker_proxy_searches_total{method="scan",reason="not_ready"}'), BATCH * PARTITIONS);
  let calls = 0;
  let worstMs = 0;
  const startMs = performance.now();
  while ((await metric('golddiff_worker_indexes_ready')) < PARTITIONS) {
    assert.ok(performance.now() - startMs < READY_TIMEOUT_MS, 'the builds end');
    const callMs = performance.now();
    assert.deepEqual(valuesOf(await score(100, 'scan')), valuesOf(scanned));
    worstMs = Math.max(worstMs, performance.now() - callMs);
    calls++;
  }
  t.diagnostic(`${calls} requests during the builds, the slowest ${worstMs.toFixed(0)} ms`);
  assert.equal(await metric('golddiff_worker_index_build_duration_seconds_count'), PARTITIONS);
  assert.ok((await metric('golddiff_worker_index_bytes')) > ROWS * 196 * 4);
  assert.ok(lines.some((line) => line.includes('search hnsw was asked for and the partition scanned')));
});

test('with the indexes answers at low noise are close to those of the scan, and their bound is heuristic', async (t) => {
  const before = await metric('golddiff_worker_proxy_searches_total{method="hnsw",reason="asked"}');
  let worst = 0;
  for (const step of [0, 50, 100]) {
    const [found, scanned] = [await score(step, 'hnsw'), await score(step, 'scan')];
    assert.deepEqual(found.goldenRows, scanned.goldenRows);
    assert.equal(found.tailMassKind, 'heuristic');
    found.x0hat.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - scanned.x0hat[i]!))));
    assert.deepEqual(valuesOf(await score(step, 'hnsw')), valuesOf(found), 'the same request gives the same bits');
  }
  t.diagnostic(`worst x0hat difference at t <= 100: ${worst.toExponential(2)}`);
  assert.ok(worst < X0HAT_TOLERANCE);
  assert.equal((await metric('golddiff_worker_proxy_searches_total{method="hnsw",reason="asked"}')) - before, 6 * BATCH * PARTITIONS);
});

test('pools of one row and of nearly all rows, labels, auto and the released variant are answered', async () => {
  assert.deepEqual((await score(100, 'hnsw', { kMin: 1, kMax: 1, k: 1, candidatePool: 1 })).goldenRows, new Array(BATCH).fill(1));
  assert.deepEqual((await score(100, 'hnsw', { candidatePool: ROWS - 1 })).goldenRows.length, BATCH);
  assert.deepEqual(valuesOf(await score(100, 'hnsw', {}, [3])), valuesOf(await score(100, 'scan', {}, [3])));
  const [chosen, scanned] = [await score(100, 'auto'), await score(100, 'scan')];
  assert.deepEqual(chosen.goldenRows, scanned.goldenRows, 'auto scans partitions of this size, or proves what a scan would find');
  chosen.x0hat.forEach((value, i) => assert.ok(Math.abs(value - scanned.x0hat[i]!) < X0HAT_TOLERANCE));
  assert.equal((await score(500, 'auto', { variant: 'released' })).goldenRows.length, BATCH);
  await assert.rejects(score(500, 'hnsw', { variant: 'released' }), { code: 'ARGUMENT_INVALID', message: /retrieval\.search/ });
});

test('with its partitions on one worker, and indexes read from disk, the answers are the same bits', async () => {
  const expected = valuesOf(await score(50, 'hnsw'));
  const notReady = 'golddiff_worker_proxy_searches_total{method="scan",reason="not_ready"}';
  const [own, others] = [await startEmbeddedCluster({ dataDir, shards: 1, metrics: true }), cluster];
  const connection = client;
  try {
    cluster = own;
    client = connect(own.endpoint);
    const startMs = performance.now();
    await score(50, 'hnsw');
    while ((await metric('golddiff_worker_indexes_ready')) < PARTITIONS) assert.ok(performance.now() - startMs < READY_TIMEOUT_MS);
    const before = await metric(notReady);
    assert.deepEqual(valuesOf(await score(50, 'hnsw')), expected);
    assert.equal(await metric(notReady), before);
    assert.equal(await metric('golddiff_worker_index_build_duration_seconds_count'), 0, 'nothing was built again');
  } finally {
    client.close();
    [cluster, client] = [others, connection];
    await own.stop();
  }
});

test('the indexes lie beside the partitions', () => {
  const names = readdirSync(dataDir).filter((name) => name.includes('.hnsw'));
  assert.equal(names.length, 2 * PARTITIONS);
  for (const name of names) assert.match(name, /^partition-0000\d\.[0-9a-f]{16}\.r14\.hnsw(\.json)?$/);
});
