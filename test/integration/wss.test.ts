/** The `wss` aggregator of published baselines through whole clusters: its definition by brute force, the same bits for any placement, and its bias. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { collectSamples } from '../../client/collect-samples.js';
import { connect, type RetrievalChoice, type ScoreInput } from '../../client/golddiff-client.js';
import { loadPartition, openDataSet } from '../../shared/dataset/data-set.js';
import { fullDistance, posterior, rowCount, smallest, worstDifference, type PlainQuery, type PlainRows } from '../support/brute-force.js';
import { importMnist, importPlain, plainMnist } from '../support/data-sets.js';
import { equivariantOracle } from '../support/equivariant-oracle.js';
import { groupedPosterior, plainMask, plainWindows } from '../support/grouped-oracle.js';

const SHAPE = [1, 6, 6] as const;
const DIM = 36;
const ROWS = 150;
const PARTITIONS = 5;
/** Longer and shorter than a partition of 30 rows, and no divisor of it. */
const BLOCKS = [7, 64];
const BATCH = 3;
const LABELS = [-1, 1, 0];
/** float32 sums at the nodes, and 8-bit limbs of the native engine. */
const TOLERANCE = 1e-5;

const rows: PlainRows = (() => {
  let state = 11;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const pixels = new Uint8Array(ROWS * DIM);
  for (let i = 0; i < ROWS; i++) {
    const [u, v] = [random() * 6, random() * 6];
    for (let p = 0; p < DIM; p++) pixels[i * DIM + p] = 250 * Math.exp(-((Math.floor(p / 6) - u) ** 2 + ((p % 6) - v) ** 2) / 3) + 5 * random();
  }
  return { pixels, shape: SHAPE, labels: Int32Array.from({ length: ROWS }, (_, i) => i % 2) };
})();
const LEVELS = [
  { alpha: 0.1, sigma: Math.sqrt(0.99) },
  { alpha: 0.98, sigma: Math.sqrt(1 - 0.98 ** 2) },
];

function queriesAt({ alpha, sigma }: (typeof LEVELS)[number]): Float32Array {
  let state = 5;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  return Float32Array.from({ length: BATCH * DIM }, (_, i) => {
    const y = rows.pixels[((Math.floor(i / DIM) * 41) % ROWS) * DIM + (i % DIM)]! / 127.5 - 1;
    return alpha * y + sigma * (random() + random() + random() - 1.5) * 2;
  });
}

/** Row ids in the order of their places: partition by partition, as they lie in them. */
async function placesOf(dataDir: string): Promise<number[]> {
  const dataSet = await openDataSet(dataDir);
  const ids: number[] = [];
  for (const { id } of dataSet.manifest.partitions) ids.push(...(await loadPartition(dataSet, id)).rowIds);
  return ids;
}

type Answer = (query: PlainQuery, ids: number[]) => Float64Array;
const CASES: { readonly name: string; readonly input: Partial<ScoreInput>; readonly answer: (level: (typeof LEVELS)[number]) => Answer }[] = [
  { name: 'optimal', input: {}, answer: () => (query, ids) => posterior(rows, query, ids).x0hat },
  {
    name: 'pca',
    input: { denoiser: 'pca', temperature: 2 },
    answer: ({ alpha, sigma }) => {
      const voters = plainMask(rows, alpha, sigma, 0.02);
      return (query, ids) => groupedPosterior(rows, query, voters, ids).x0hat;
    },
  },
  {
    name: 'patch',
    input: { denoiser: 'patch', denoiserSettings: { patchSize: 3 } },
    answer: () => (query, ids) => groupedPosterior(rows, query, plainWindows(SHAPE, 3), ids).x0hat,
  },
  {
    name: 'patch-equivariant',
    input: { denoiser: 'patch-equivariant', denoiserSettings: { patchSize: 3 } },
    answer: () => (query, ids) => equivariantOracle(rows, query, 3, ids).x0hat,
  },
];
const K = 40;

test('every denoiser, over all rows and over subsets, is the mean of its blocks by brute force, with the same bits for 1, 2, 3 and 5 workers', async (t) => {
  const dataDir = await importPlain(rows, PARTITIONS, 'blocks');
  const places = await placesOf(dataDir);
  assert.notDeepEqual(
    places,
    [...places].sort((a, b) => a - b),
    'rows were shuffled',
  );
  const seen = new Map<string, Float64Array>();
  let worst = 0;
  for (const shards of [1, 2, 3, 5]) {
    const cluster = await startEmbeddedCluster({ dataDir, shards });
    const client = connect(cluster.endpoint);
    try {
      for (const level of LEVELS)
        for (const { name, input, answer } of CASES)
          for (const blockRows of BLOCKS)
            for (const kind of ['exact', 'golden'] as const) {
              const x = queriesAt(level);
              // All rows are candidates, so that the subset is the nearest rows.
              const retrieval: RetrievalChoice = {
                ...(kind === 'exact' ? { kind } : { kind, k: K, candidatePool: 75 }),
                aggregator: 'wss',
                blockRows,
              };
              const labels = kind === 'exact' ? LABELS : [0, 1, 0];
              const got = await client.score({ ...input, ...level, x, shape: [BATCH, DIM], labels, retrieval, resultDtype: 'f64' });
              const key = `${name} ${level.alpha} ${blockRows} ${kind}`;
              const before = seen.get(key);
              seen.set(key, got.x0hat as Float64Array);
              if (before !== undefined) {
                assert.deepEqual(got.x0hat, before, `${key}: other bits for ${shards} workers`);
                continue;
              }
              assert.deepEqual([got.tailMassKind, [...got.tailMassBound]], ['heuristic', [1, 1, 1]]);
              const own = answer(level);
              for (let b = 0; b < BATCH; b++) {
                const query = { x: x.subarray(b * DIM, (b + 1) * DIM), ...level, temperature: input.temperature ?? 1 };
                const eligible = places.filter((id) => labels[b] === -1 || rows.labels[id] === labels[b]);
                const chosen = new Set(
                  kind === 'exact'
                    ? eligible
                    : smallest(
                        [...eligible].sort((a, c) => a - c),
                        (id) => fullDistance(rows, query, id),
                        K,
                      ),
                );
                assert.equal(got.goldenRows[b], chosen.size);
                const answers: Float64Array[] = [];
                for (let first = 0; first < ROWS; first += blockRows) {
                  const block = places.slice(first, first + blockRows).filter((id) => chosen.has(id));
                  if (block.length > 0) answers.push(own(query, block));
                }
                const want = Float64Array.from({ length: DIM }, (_, p) => answers.reduce((sum, a) => sum + a[p]!, 0) / answers.length);
                const error = worstDifference(got.x0hat.subarray(b * DIM, (b + 1) * DIM), want);
                worst = Math.max(worst, error);
                assert.ok(error <= TOLERANCE, `${key}, query ${b}: off by ${error}`);
              }
            }
    } finally {
      client.close();
      await cluster.stop();
    }
  }
  t.diagnostic(`worst x0hat difference ${worst.toExponential(2)}`);
});

test('it is biased: near a row of MNIST the softmax gives that row back, the mean over blocks a mixture; one block of all rows is exact', async (t) => {
  const count = 600;
  const plain = plainMnist(0, count);
  const cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, count, 3), shards: 2 });
  const client = connect(cluster.endpoint);
  try {
    const level = { alpha: 0.999, sigma: Math.sqrt(1 - 0.999 ** 2) };
    const x = Float32Array.from({ length: 784 }, (_, p) => level.alpha * (plain.pixels[p]! / 127.5 - 1) + level.sigma * Math.sin(p * p));
    const mean = async (retrieval: RetrievalChoice) => (await client.score({ ...level, x, shape: [1, 784], retrieval, resultDtype: 'f64' })).x0hat;
    const exact = await mean({ kind: 'exact' });
    const whole = await mean({ kind: 'exact', aggregator: 'wss', blockRows: rowCount(plain) });
    assert.ok(worstDifference(whole, exact) < TOLERANCE);
    const bias: number[] = [];
    for (const blockRows of [300, 100, 20]) {
      const biased = await mean({ kind: 'exact', aggregator: 'wss', blockRows });
      bias.push(Float64Array.from(biased).reduce((sum, value, p) => sum + (value - exact[p]!) ** 2, 0) / 784);
    }
    t.diagnostic(`mean squared bias with blocks of 300, 100 and 20 of 600 rows: ${bias.map((b) => b.toFixed(3)).join(', ')}`);
    assert.ok(bias[0]! > 0.01 && bias[0]! < bias[1]! && bias[1]! < bias[2]!, 'and the more, the smaller the blocks');
    const run = await collectSamples(
      client.sample({ count: 1, steps: 2, seed: 3, retrieval: { kind: 'golden', k: 50, aggregator: 'wss', blockRows: 100 } }),
    );
    assert.ok(run.images.every((value) => Number.isFinite(value)) && run.summary.tailMassBoundMax === 1);
  } finally {
    client.close();
    await cluster.stop();
  }
});

test('settings that do not go together are refused', async () => {
  const cluster = await startEmbeddedCluster({ dataDir: await importPlain(rows, 1, 'refused'), shards: 1 });
  const client = connect(cluster.endpoint);
  try {
    const refused: [Partial<ScoreInput>, RegExp][] = [
      [{ retrieval: { kind: 'exact', aggregator: 'wss' } }, /block_rows/],
      [{ retrieval: { kind: 'exact', blockRows: 5 } }, /block_rows/],
      [{ retrieval: { kind: 'golden', aggregator: 'wss', blockRows: 5, maxTailMass: 0.1 } }, /max_tail_mass/],
      [{ retrieval: { kind: 'golden', aggregator: 'wss', blockRows: 5, search: 'hnsw' } }, /search/],
      [{ denoiser: 'wiener', retrieval: { kind: 'exact', aggregator: 'wss', blockRows: 5 } }, /aggregator/],
    ];
    for (const [input, message] of refused)
      await assert.rejects(client.score({ x: new Float32Array(DIM), shape: [1, DIM], t: 500, ...input }), { code: 'ARGUMENT_INVALID', message });
  } finally {
    client.close();
    await cluster.stop();
  }
});
