/** The golden subset through a real cluster whose links delay and reorder, against brute force over all rows. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, type GolddiffClient, type GoldenRetrieval } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { goldenSizes, resolveGolden } from '../../shared/math/golden-schedule.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { goldenSubset, posterior, rowCount, worstDifference, type PlainGolden, type PlainRows } from '../support/brute-force.js';
import { importMnist, importPlain, plainMnist } from '../support/data-sets.js';
import { startDelayedCluster, type DelayedCluster } from '../support/delayed-cluster.js';

const ROWS = 1200;
const DIM = 784;
const TIMESTEPS = [900, 500, 100, 0];
/** So hot that every row of the subset has nearly the same weight: one wrong row of k moves a black or white pixel by 2/k or log Z by 1/k. */
const HOT = 1e9;
/** float32 sums at the nodes of the tree. */
const X0HAT_TOLERANCE = 1e-5;
/** relative; the conformance suite allows backends as much */
const LOG_Z_TOLERANCE = 1e-6;

let mnist: PlainRows;
let cluster: DelayedCluster;
let client: GolddiffClient;

before(async () => {
  mnist = plainMnist(0, ROWS);
  cluster = await startDelayedCluster({ dataDir: await importMnist(0, ROWS, 8), shards: 3, seed: 1 });
  client = connect(cluster.endpoint);
});
after(async () => {
  client?.close();
  await cluster?.stop();
});

/** Noisy versions of rows that are in the set. */
function queries(rows: PlainRows, t: number, batch: number): Float32Array {
  const { alpha, sigma } = noiseLevelAt('DDPM_LINEAR', t);
  const D = rows.pixels.length / rowCount(rows);
  const x = new Float32Array(batch * D);
  const noise = new Float64Array(D);
  for (let b = 0; b < batch; b++) {
    fillNormals(noise, 77, b, t);
    const id = (b * 311) % rowCount(rows);
    for (let p = 0; p < D; p++) x[b * D + p] = alpha * (rows.pixels[id * D + p]! / 127.5 - 1) + sigma * noise[p]!;
  }
  return x;
}

async function compare(
  connection: GolddiffClient,
  rows: PlainRows,
  t: number,
  retrieval: GoldenRetrieval,
  factor: number,
  labels: readonly number[],
): Promise<number> {
  const batch = labels.length;
  const D = rows.pixels.length / rowCount(rows);
  const x = queries(rows, t, batch);
  const level = noiseLevelAt('DDPM_LINEAR', t);
  const got = await connection.score({ x, shape: [batch, D], t, retrieval, temperature: HOT, labels, resultDtype: 'f64' });
  let worst = 0;
  for (let b = 0; b < batch; b++) {
    const label = labels[b]!;
    const eligible = Array.from({ length: rowCount(rows) }).filter((_, i) => label < 0 || rows.labels[i] === label).length;
    const wish = {
      ...retrieval,
      variant: retrieval.variant === 'released' ? 'RELEASED' : 'PAPER',
      candidatePool: Number(retrieval.candidatePool ?? 0),
    };
    const { variant: _, k: fixed, presample: __, ...sizes } = wish as typeof wish & { k?: number };
    const plan = goldenSizes(resolveGolden({ ...sizes, variant: wish.variant, kFixed: fixed ?? 0 }, eligible), eligible, level);
    const golden: PlainGolden = {
      factor,
      pool: plan.pool,
      subset: plan.subset,
      ...(retrieval.variant === 'released' && {
        presample: {
          rows: plan.presample,
          seed: retrieval.presampleSeed ?? 0,
          step: retrieval.presampleStep ?? 0,
          queryId: (retrieval.firstQuery ?? 0) + b,
        },
      }),
    };
    const query = { x: x.subarray(b * D, (b + 1) * D), ...level, temperature: HOT, label };
    const want = posterior(rows, query, goldenSubset(rows, query, golden));
    assert.equal(got.goldenRows[b], want.rows.length);
    worst = Math.max(worst, worstDifference(got.x0hat.subarray(b * D, (b + 1) * D), want.x0hat));
    assert.ok(
      Math.abs(got.logZ[b]! - want.logZ) < LOG_Z_TOLERANCE * Math.max(1, Math.abs(want.logZ)),
      `t ${t} query ${b}: log Z ${got.logZ[b]} against ${want.logZ}`,
    );
  }
  assert.ok(worst < X0HAT_TOLERANCE, `t ${t}: x0hat is off by ${worst}`);
  return worst;
}

test('paper: the subset is the brute-force one at every noise level, with and without labels', async (t) => {
  let worst = 0;
  for (const step of TIMESTEPS)
    worst = Math.max(worst, await compare(client, mnist, step, { kind: 'golden', variant: 'paper', kMin: 20, kMax: 60 }, 2, [-1, 3, -1]));
  t.diagnostic(`worst x0hat difference ${worst.toExponential(2)}`);
});

test('released: pre-sample, proxy and full cuts are the brute-force ones', async (t) => {
  let worst = 0;
  for (const step of TIMESTEPS) {
    const retrieval: GoldenRetrieval = {
      kind: 'golden',
      variant: 'released',
      kMin: 20,
      kMax: 60,
      presampleSeed: 2 ** 40 + 7,
      presampleStep: step,
      firstQuery: 11,
    };
    worst = Math.max(worst, await compare(client, mnist, step, retrieval, 2, [-1, -1, 7]));
  }
  t.diagnostic(`worst x0hat difference ${worst.toExponential(2)}`);
});

test('a pool, a fixed subset and a proxy resolution named by the caller are used', async () => {
  await compare(client, mnist, 300, { kind: 'golden', kMin: 10, kMax: 40, candidatePool: 100, proxyResolution: 7 }, 4, [-1, -1]);
  await compare(client, mnist, 300, { kind: 'golden', k: 33, proxyResolution: 28 }, 1, [-1]);
  await compare(client, mnist, 300, { kind: 'golden', k: 1 }, 2, [-1]);
  await compare(client, mnist, 300, { kind: 'golden', k: ROWS }, 2, [-1]);
});

test('ties go by row id: a set of few distinct rows, many times each', async () => {
  const shape = [1, 4, 4] as const;
  const distinct = Array.from({ length: 5 }, (_, i) => Array.from({ length: 16 }, (_, p) => (i * 50 + p * 3) % 256));
  const pixels = Uint8Array.from(Array.from({ length: 240 }, (_, i) => distinct[(i * 7) % 5]!).flat());
  const tied: PlainRows = { pixels, shape, labels: new Int32Array(240).fill(-1) };
  const own = await startDelayedCluster({ dataDir: await importPlain(tied, 6, 'tied'), shards: 4, seed: 2 });
  const connection = connect(own.endpoint);
  try {
    for (const k of [1, 17, 48, 49, 100, 239])
      await compare(connection, tied, 400, { kind: 'golden', k, candidatePool: Math.max(k, 130) }, 1, [-1, -1]);
  } finally {
    connection.close();
    await own.stop();
  }
});

test('answers through links that delay and reorder are the same bits each time', async () => {
  const x = queries(mnist, 300, 4);
  const ask = async (): Promise<unknown> => {
    const r = await client.score({ x, shape: [4, DIM], t: 300, retrieval: { kind: 'golden' }, returnMassRows: true });
    return [r.x0hat, r.logZ, r.effectiveSupport, r.massRows, r.tailMassBound];
  };
  const first = await ask();
  for (let i = 0; i < 5; i++) assert.deepEqual(await ask(), first);
});
