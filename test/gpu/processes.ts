/**
 * A real worker on the device and a real coordinator, as processes: exact, golden and pca requests over gRPC, whose answers must be those of the reference backend.
 * With --dry the native backend stands in for the device, so that the program itself is tried where there is none.
 */

import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect, type ScoreInput } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { importPlain } from '../support/data-sets.js';
import { worstDifference } from '../support/brute-force.js';

const ROWS = 600;
const SHAPE = [3, 16, 16] as const;
const DIM = 768;
const BATCH = 4;
/** The bound on x0hat of every backend. */
const X0HAT_TOLERANCE = 1e-5;
/** Of pca, whose weights are float32 of distances in 32-bit integers. */
const PCA_TOLERANCE = 1e-4;

type Request = Pick<ScoreInput, 'denoiser' | 'retrieval' | 't'>;
const REQUESTS: readonly (Request & { readonly name: string; readonly tolerance: number })[] = [
  { name: 'exact optimal', t: 500, denoiser: 'optimal', retrieval: { kind: 'exact' }, tolerance: X0HAT_TOLERANCE },
  { name: 'exact optimal, little noise', t: 0, denoiser: 'optimal', retrieval: { kind: 'exact' }, tolerance: X0HAT_TOLERANCE },
  { name: 'golden optimal', t: 300, denoiser: 'optimal', retrieval: { kind: 'golden', kMin: 20, kMax: 60 }, tolerance: X0HAT_TOLERANCE },
  { name: 'golden pca', t: 500, denoiser: 'pca', retrieval: { kind: 'golden', kMin: 20, kMax: 60 }, tolerance: PCA_TOLERANCE },
];

async function answers(dataDir: string, backend: string): Promise<Float64Array[]> {
  const cluster = await startEmbeddedCluster({ dataDir, shards: 1, backend });
  const client = connect(cluster.endpoint);
  try {
    const x = new Float32Array(BATCH * DIM);
    const noise = new Float64Array(BATCH * DIM);
    fillNormals(noise, 1, 0, 0);
    x.set(noise);
    const found: Float64Array[] = [];
    for (const { name, tolerance: _, ...request } of REQUESTS) {
      const begin = performance.now();
      const { x0hat } = await client.score({ ...request, x, shape: [BATCH, DIM], resultDtype: 'f64' });
      process.stdout.write(`${backend}: ${name} in ${(performance.now() - begin).toFixed(0)} ms, the first time\n`);
      found.push(Float64Array.from(x0hat));
    }
    return found;
  } finally {
    client.close();
    await cluster.stop();
  }
}

const pixels = randomFillSync(new Uint8Array(ROWS * DIM));
const dataDir = await importPlain({ pixels, shape: SHAPE, labels: new Int32Array(ROWS).fill(-1) }, 4);
const backend = process.argv.includes('--dry') ? 'native' : 'cuda';
const [got, want] = [await answers(dataDir, backend), await answers(dataDir, 'reference')];
REQUESTS.forEach(({ name, tolerance }, k) => {
  const worst = worstDifference(got[k]!, want[k]!);
  process.stdout.write(`${name}: x0hat is off by ${worst.toExponential(1)}, ${tolerance} is allowed\n`);
  assert.ok(worst <= tolerance, `${name}: x0hat is off by ${worst}`);
});
