/** The reference trajectories of the pca denoiser over golden subsets, through the whole path: client, coordinator, workers over gRPC. */

import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { denoiseCommand } from '../../client/commands/denoise.js';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type GoldenRetrieval } from '../../client/golddiff-client.js';
import { readNpy, writeNpy } from '../../shared/dataset/npy.js';
import { worstDifference } from '../support/brute-force.js';
import { importMnist } from '../support/data-sets.js';
import { GOLDEN_DIM, GOLDEN_NAMES, loadGolden, type Golden } from '../support/goldens.js';

const PARTITIONS = 16;
/** The bounds. Ours agrees with the reference to rounding of float32 sums, since its masks do, entry by entry. */
const MEAN_TOLERANCE = 5e-5;
const WORST_TOLERANCE = 5e-3;
const FLOAT32_SUMS = 1e-6;

function retrievalOf(golden: Golden, variant: 'paper' | 'released'): GoldenRetrieval {
  const { kMin, kMax, proxyResolution } = golden;
  // Variant released with every row pre-sampled and its pool of k_max chooses what paper chooses with a pool of k_max.
  const pool = variant === 'paper' ? { candidatePool: kMax } : { presample: 'all' as const };
  return { kind: 'golden', variant, kMin, kMax, proxyResolution, ...pool };
}

/** x0hat of every step, one after the other; each is compared with the reference. */
async function answers(
  golden: Golden,
  dataDir: string,
  variant: 'paper' | 'released',
  options: { shards: number; backend?: string },
  report: (line: string) => void,
): Promise<Float64Array> {
  const size = golden.batch * GOLDEN_DIM;
  const all = new Float64Array(golden.timesteps.length * size);
  const cluster = await startEmbeddedCluster({ dataDir, ...options });
  const client = connect(cluster.endpoint);
  try {
    for (const [step, t] of golden.timesteps.entries()) {
      const result = await client.score({
        x: golden.xt.slice(step * size, (step + 1) * size),
        shape: [golden.batch, GOLDEN_DIM],
        ...golden.levels[step]!,
        denoiser: 'pca',
        denoiserSettings: { maskThreshold: golden.maskThreshold },
        retrieval: retrievalOf(golden, variant),
        resultDtype: 'f64',
      });
      all.set(result.x0hat, step * size);
      assert.deepEqual(result.goldenRows, Array(golden.batch).fill(golden.kT[step]));
      assert.equal(result.tailMassKind, 'certified');
      const differences = Float64Array.from(result.x0hat, (value, i) => Math.abs(value - golden.x0hat[step * size + i]!));
      const mean = differences.reduce((sum, d) => sum + d, 0) / size;
      const worst = differences.reduce((a, b) => Math.max(a, b), 0);
      report(`${variant}, t = ${t}: mean ${mean.toExponential(2)}, worst ${worst.toExponential(2)}`);
      assert.ok(mean <= MEAN_TOLERANCE && worst <= WORST_TOLERANCE, `t = ${t}: off by ${mean} in the mean, ${worst} at worst`);
      assert.ok(worst <= FLOAT32_SUMS, `t = ${t}: off by ${worst}, more than sums of float32 explain`);
    }
    return all;
  } finally {
    client.close();
    await cluster.stop();
  }
}

test('golddiff denoise --data gives what the reference gave', async (t) => {
  const golden = await loadGolden('mnist3k_pca_fewsteps');
  const data = await importMnist(golden.firstRow, golden.rows, PARTITIONS);
  const size = golden.batch * GOLDEN_DIM;
  const step = golden.timesteps.indexOf(0);
  const at = (name: string): string => path.join(data, '..', name);
  await writeNpy(at('x.npy'), golden.xt.slice(step * size, (step + 1) * size), [golden.batch, GOLDEN_DIM]);
  const { kMin, kMax, proxyResolution, maskThreshold, levels } = golden;
  await new Command()
    .addCommand(denoiseCommand())
    .parseAsync(
      [
        ...['denoise', '--data', data, '--shards', '2', '--input', at('x.npy'), '--output', at('x0.npy'), '--result-dtype', 'f64'],
        ...['--alpha', String(levels[step]!.alpha), '--sigma', String(levels[step]!.sigma), '--denoiser', 'pca', '--retrieval', 'golden'],
        ...['--k-min', String(kMin), '--k-max', String(kMax), '--candidate-pool', String(kMax), '--proxy-resolution', String(proxyResolution)],
        ...['--mask-threshold', String(maskThreshold), '--json', at('stats.json')],
      ],
      { from: 'user' },
    );
  const { data: x0hat } = await readNpy(at('x0.npy'));
  const worst = worstDifference(Float64Array.from(x0hat), golden.x0hat.subarray(step * size, (step + 1) * size));
  t.diagnostic(`worst difference ${worst.toExponential(2)}`);
  assert.ok(worst <= FLOAT32_SUMS, `${worst}`);
});

for (const name of GOLDEN_NAMES)
  test(`${name}: pca over the golden subset at every step, paper and released, and the same bits from both and from the reference backend`, async (t) => {
    const golden = await loadGolden(name);
    const dataDir = await importMnist(golden.firstRow, golden.rows, PARTITIONS);
    const report = (line: string): void => t.diagnostic(line);
    const paper = await answers(golden, dataDir, 'paper', { shards: 3 }, report);
    assert.deepEqual(await answers(golden, dataDir, 'released', { shards: 2, backend: 'reference' }, () => {}), paper);
  });
