/** An error budget in the request: what it takes to hold it, that it holds, and that the answer is that of a request for as many rows. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEmbeddedCluster, type EmbeddedCluster } from '../../client/embedded-cluster.js';
import { collectSamples } from '../../client/collect-samples.js';
import { connect, type GolddiffClient, type GoldenRetrieval, type ScoreResult } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { fullDistance, posterior, smallest, worstDifference } from '../support/brute-force.js';
import { importMnist, plainMnist } from '../support/data-sets.js';

const ROWS = 1200;
const DIM = 784;
const BATCH = 4;
const BUDGET = 0.05;
/** The pool is everything, so that the subset is the nearest rows and the bound is one. */
const GOLDEN: GoldenRetrieval = { kind: 'golden', k: 20, candidatePool: ROWS };
/** float32 sums at the nodes of the tree, on top of the bound. */
const ROUNDING = 1e-5;

const rows = plainMnist(0, ROWS);

/** Two queries near the data, where few rows matter, and two at more noise, each with its level. */
function queriesOf(steps: readonly number[]) {
  const levels = steps.map((step) => noiseLevelAt('DDPM_LINEAR', step));
  const x = new Float32Array(steps.length * DIM);
  const noise = new Float64Array(DIM);
  levels.forEach(({ alpha, sigma }, b) => {
    fillNormals(noise, 31, b, steps[b]!);
    for (let p = 0; p < DIM; p++) x[b * DIM + p] = alpha * (rows.pixels[b * 211 * DIM + p]! / 127.5 - 1) + sigma * noise[p]!;
  });
  return { x, shape: [steps.length, DIM], alpha: levels.map((l) => l.alpha), sigma: levels.map((l) => l.sigma), resultDtype: 'f64' as const };
}

const bitsOf = ({ x0hat, logZ, goldenRows, tailMassBound, tailMassKinds, massRows }: ScoreResult): string =>
  JSON.stringify([[...x0hat], logZ, goldenRows, tailMassBound, tailMassKinds, massRows]);

async function onCluster(
  shards: number,
  partitions: number,
  use: (client: GolddiffClient, cluster: EmbeddedCluster) => Promise<void>,
): Promise<void> {
  const cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, ROWS, partitions), shards, metrics: true });
  const client = connect(cluster.endpoint);
  try {
    await use(client, cluster);
  } finally {
    client.close();
    await cluster.stop();
  }
}

test('the bound of every query is within the budget, and so is its error; answers are those of the sizes reached, for any number of workers', async (t) => {
  const input = queriesOf([0, 450, 470, 900]);
  const bits = new Set<string>();
  for (const shards of [1, 2, 3, 5]) {
    await onCluster(shards, 5, async (client) => {
      const got = await client.score({ ...input, retrieval: { ...GOLDEN, maxTailMass: BUDGET }, returnMassRows: true });
      bits.add(bitsOf(got));
      if (shards > 1) return;
      const sizes = new Set<string>();
      for (let b = 0; b < BATCH; b++) {
        const K = got.goldenRows[b]!;
        sizes.add(K === 20 ? 'held' : K === ROWS ? 'exact' : 'raised');
        assert.ok(got.tailMassBound[b]! <= BUDGET);
        assert.equal(got.tailMassKinds[b], K === ROWS ? 'exact' : 'heuristic');
        const query = { x: input.x.subarray(b * DIM, (b + 1) * DIM), alpha: input.alpha[b]!, sigma: input.sigma[b]! };
        const all = posterior(rows, query);
        const ids = smallest(
          Array.from({ length: ROWS }, (_, i) => i),
          (id) => fullDistance(rows, query, id),
          K,
        );
        const own = got.x0hat.subarray(b * DIM, (b + 1) * DIM);
        assert.ok(worstDifference(own, posterior(rows, query, ids).x0hat) < ROUNDING);
        const error = worstDifference(own, all.x0hat);
        t.diagnostic(`${K} rows: bound ${got.tailMassBound[b]!.toExponential(2)}, x0hat off by ${error.toExponential(2)}`);
        assert.ok(error <= 2 * got.tailMassBound[b]! + ROUNDING);
      }
      assert.deepEqual([...sizes].sort(), ['exact', 'held', 'raised']);
      assert.equal(got.tailMassKind, 'heuristic');
    });
  }
  assert.equal(bits.size, 1);
});

test('a tiny budget is held by all rows, scored more closely; pca, released subsets and samples have budgets too; the metric counts', async () => {
  await onCluster(2, 3, async (client, cluster) => {
    const input = queriesOf([100, 300]);
    const tiny = await client.score({ ...queriesOf([700, 800]), retrieval: { ...GOLDEN, maxTailMass: 1e-9 } });
    assert.deepEqual(
      [tiny.goldenRows, tiny.tailMassKinds],
      [
        [ROWS, ROWS],
        ['exact', 'exact'],
      ],
    );
    assert.ok(tiny.tailMassBound.every((bound) => bound <= 1e-9));
    for (const denoiser of ['optimal', 'pca'] as const) {
      for (const variant of ['paper', 'released'] as const) {
        const retrieval: GoldenRetrieval = { kind: 'golden', variant, kMin: 10, kMax: 30, maxTailMass: 0.01 };
        const got = await client.score({ ...input, denoiser, retrieval });
        assert.ok(got.tailMassBound.every((bound) => bound <= 0.01));
        const single = await client.score({ ...input, ...slice(input, 1), denoiser, retrieval: { ...retrieval, firstQuery: 1 } });
        assert.deepEqual([...single.x0hat], [...got.x0hat.subarray(DIM)]);
      }
    }
    const run = await collectSamples(client.sample({ count: 2, steps: 3, seed: 1, retrieval: { ...GOLDEN, maxTailMass: BUDGET } }));
    assert.ok(run.summary.tailMassBoundMax <= BUDGET);
    const metrics = await (await fetch(`http://${cluster.metricsEndpoints.get('coordinator')}/metrics`)).text();
    assert.match(metrics, /tail_mass_budget_queries_total\{outcome="exact"\} [1-9]/);
  });
});

test('a deadline holds over the rounds', async () => {
  await onCluster(1, 2, async (client) => {
    const input = queriesOf([900, 900]);
    const began = performance.now();
    const late = client.score({ ...input, denoiser: 'patch', retrieval: { kind: 'golden', k: 1, maxTailMass: 1e-6 } }, { timeoutMs: 40 });
    await assert.rejects(late, { code: 'DEADLINE_EXCEEDED' });
    // The whole would take seconds; some slack for a busy machine.
    assert.ok(performance.now() - began < 2_000);
    const after = await client.score({ ...input, retrieval: { ...GOLDEN, maxTailMass: BUDGET } });
    assert.deepEqual(after.goldenRows, [ROWS, ROWS]);
  });
});

function slice({ x, alpha, sigma }: ReturnType<typeof queriesOf>, b: number) {
  return { x: x.subarray(b * DIM, (b + 1) * DIM), shape: [1, DIM], alpha: [alpha[b]!], sigma: [sigma[b]!] };
}
