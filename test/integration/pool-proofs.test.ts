/** Golden steps without cuts, through a real cluster: the answers are those of the search for the cuts, and of any number of workers the same bits. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GolddiffClient, type GoldenRetrieval, type ScoreResult } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { importMnist, plainMnist } from '../support/data-sets.js';
import { skip as withoutEngine } from '../shard-worker/backends/native/addon-under-test.js';

const ROWS = 4000;
const PARTITIONS = 4;
const BATCH = 8;
const DIM = 784;
const GOLDEN: GoldenRetrieval = { kind: 'golden', kMin: 100, kMax: 300 };
/** Rows below 2^-24 of the mass, of each partition, and sums in float32. */
const X0HAT_TOLERANCE = 2e-6;

const mnist = plainMnist(0, ROWS);
let dataDir: string;
let cluster: EmbeddedCluster;
let client: GolddiffClient;

before(async () => {
  dataDir = await importMnist(0, ROWS, PARTITIONS);
  cluster = await startEmbeddedCluster({ dataDir, shards: 2, metrics: true });
  client = connect(cluster.endpoint);
});
after(async () => {
  client?.close();
  await cluster?.stop();
});

function score(connection: GolddiffClient, t: readonly number[], search: 'auto' | 'scan', change: object = {}): Promise<ScoreResult> {
  const x = new Float32Array(BATCH * DIM);
  const noise = new Float64Array(DIM);
  for (let b = 0; b < BATCH; b++) {
    const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t[b]!);
    fillNormals(noise, 7, b, t[b]!);
    for (let p = 0; p < DIM; p++) x[b * DIM + p] = alpha * (mnist.pixels[b * 401 * DIM + p]! / 127.5 - 1) + sigma * noise[p]!;
  }
  return connection.score({ x, shape: [BATCH, DIM], t, retrieval: { ...GOLDEN, search }, resultDtype: 'f64', returnMassRows: true, ...change });
}

/** Screens that workers have answered. */
async function screens(): Promise<number> {
  let sum = 0;
  for (const [name, address] of cluster.metricsEndpoints) {
    if (!name.startsWith('shard worker')) continue;
    const text = await (await fetch(`http://${address}/metrics`)).text();
    for (const line of text.split('\n'))
      if (/^golddiff_worker_compute_duration_seconds_count\{.*"screen"/.test(line)) sum += Number(line.split(' ').at(-1));
  }
  return sum;
}

const all = (t: number): number[] => new Array<number>(BATCH).fill(t);
const mixed = [900, 0, 300, 700, 100, 50, 500, 0];

for (const [name, t, change, searches] of [
  ['at t = 0', all(0), {}, false],
  ['at t = 100', all(100), {}, false],
  ['at t = 300', all(300), {}, false],
  ['with labels', all(50), { labels: [5, -1, 3, 3, -1, 9, 1, 0] }, undefined],
  ['with high and low noise in one batch', mixed, {}, true],
  ['where hot weights make all rows matter', all(100), { temperature: 1e6 }, true],
] as const)
  test(`${name} the answers are those of the search for cuts`, { skip: withoutEngine }, async (context) => {
    const scanned = await score(client, t, 'scan', change);
    const before = await screens();
    const chosen = await score(client, t, 'auto', change);
    const asked = (await screens()) - before;
    if (searches !== undefined) assert.equal(asked > 0, searches, `${asked} screens`);
    assert.deepEqual(chosen.goldenRows, scanned.goldenRows);
    assert.equal(chosen.tailMassKind, scanned.tailMassKind);
    let worst = 0;
    let worstLogZ = 0;
    chosen.x0hat.forEach((value, i) => (worst = Math.max(worst, Math.abs(value - scanned.x0hat[i]!))));
    chosen.logZ.forEach((value, b) => (worstLogZ = Math.max(worstLogZ, Math.abs(value - scanned.logZ[b]!))));
    context.diagnostic(`x0hat off by at most ${worst.toExponential(1)}, log Z by ${worstLogZ.toExponential(1)}`);
    assert.ok(worst < X0HAT_TOLERANCE && worstLogZ < 1e-3);
    assert.deepEqual(chosen.massRows, scanned.massRows);
  });

test('for one worker and for four the bits are the same', { skip: withoutEngine }, async () => {
  const valuesOf = (r: ScoreResult): unknown => [r.x0hat, r.logZ, r.effectiveSupport, r.tailMassBound, r.goldenRows];
  const answers: unknown[] = [];
  for (const shards of [1, 4]) {
    const own = await startEmbeddedCluster({ dataDir, shards });
    const connection = connect(own.endpoint);
    answers.push(valuesOf(await score(connection, mixed, 'auto')), valuesOf(await score(connection, all(100), 'auto')));
    connection.close();
    await own.stop();
  }
  assert.deepEqual(answers.slice(0, 2), answers.slice(2));
});
