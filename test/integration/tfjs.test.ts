/** A real worker with the TensorFlow.js backend, and workers that are asked for what is not there. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type ScoreResult } from '../../client/golddiff-client.js';
import { packageRoot } from '../../shared/package-root.js';
import { skip } from '../shard-worker/backends/tfjs/tfjs-under-test.js';
import { worstDifference } from '../support/brute-force.js';
import { importMnist } from '../support/data-sets.js';

const ROWS = 400;
const D = 784;
const BATCH = 2;
/** x0hat in float32 masks, against double. */
const PCA_TOLERANCE = 1e-3;
const EXACT_TOLERANCE = 1e-6;

test('a worker asked for a backend that is not there exits with 1 and one sentence that says what to install', async () => {
  const dataDir = await importMnist(0, 20, 1);
  for (const [backend, next] of [
    ['cuda', /install (NVIDIA's CUDA toolkit|one for CUDA)|see nvidia-smi and CUDA_VISIBLE_DEVICES/],
    ['tfjs', /npm install .*@tensorflow\/tfjs-node/],
  ] as const) {
    const args = ['--data', dataDir, '--listen', '127.0.0.1:0', '--backend', backend, '--tfjs-from', tmpdir()];
    // A machine with a card hides it.
    const env = { ...process.env, CUDA_VISIBLE_DEVICES: '' };
    const { status, stderr } = spawnSync(process.execPath, [path.join(packageRoot, 'dist/shard-worker/main.js'), ...args], { encoding: 'utf8', env });
    assert.equal(status, 1, stderr);
    const lines = stderr.trim().split('\n');
    assert.equal(lines.length, 1, stderr);
    assert.match(lines[0]!, new RegExp(`Backend ${backend} is not available`));
    assert.match(lines[0]!, next);
  }
});

test('two workers on TensorFlow.js answer exact, golden and pca steps as the reference backend does', { skip }, async (t) => {
  const dataDir = await importMnist(0, ROWS, 4);
  const x = new Float64Array(BATCH * D).map((_, i) => Math.sin(i * 12.9898) * 0.8);
  const answers = async (backend: string): Promise<ScoreResult[]> => {
    const cluster = await startEmbeddedCluster({ dataDir, shards: 2, backend });
    const client = connect(cluster.endpoint);
    try {
      const common = { x, shape: [BATCH, D], resultDtype: 'f64' } as const;
      const golden = { kind: 'golden', variant: 'paper', kMin: 40, kMax: 80 } as const;
      return [
        await client.score({ ...common, alpha: 0.999, sigma: 0.02, retrieval: { kind: 'exact' } }),
        await client.score({ ...common, alpha: 0.7, sigma: 0.7, retrieval: golden }),
        await client.score({ ...common, alpha: 0.7, sigma: 0.7, retrieval: golden, denoiser: 'pca' }),
      ];
    } finally {
      client.close();
      await cluster.stop();
    }
  };
  const [want, got] = [await answers('reference'), await answers('tfjs')];
  want.forEach((result, i) => {
    const worst = worstDifference(got[i]!.x0hat, result.x0hat);
    t.diagnostic(`${['exact', 'golden', 'golden pca'][i]}: x0hat differs by at most ${worst.toExponential(1)}`);
    assert.ok(worst <= (i === 2 ? PCA_TOLERANCE : EXACT_TOLERANCE), `${worst}`);
    assert.deepEqual(got[i]!.goldenRows, result.goldenRows);
  });
});
