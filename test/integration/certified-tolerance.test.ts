/** A tolerance from the request: the bound is certified, holds what was left out, and the answer stays within it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startEmbeddedCluster } from '../../client/embedded-cluster.js';
import { connect } from '../../client/golddiff-client.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { posterior, worstDifference } from '../support/brute-force.js';
import { importMnist, plainMnist } from '../support/data-sets.js';

const ROWS = 1500;
const BATCH = 3;
const DIM = 784;
/** float32 sums, on top of the bound times the data's range of 2. */
const ROUNDING = 1e-5;

test('exact with a tolerance answers CERTIFIED, off by no more than its bound allows', async (t) => {
  const rows = plainMnist(0, ROWS);
  const cluster = await startEmbeddedCluster({ dataDir: await importMnist(0, ROWS, 4), shards: 2 });
  const client = connect(cluster.endpoint);
  try {
    let worst = 0;
    let largestBound = 0;
    for (const step of [900, 500, 300, 100, 0]) {
      const level = noiseLevelAt('DDPM_LINEAR', step);
      const x = new Float64Array(BATCH * DIM);
      fillNormals(x, 5, step, 0);
      for (let i = 0; i < x.length; i++) x[i] = x[i]! * level.sigma + level.alpha * (rows.pixels[i]! / 127.5 - 1);
      for (const tolerance of [2 ** -24, 1e-3, 0.2]) {
        const got = await client.score({ x, shape: [BATCH, DIM], ...level, retrieval: { kind: 'exact', tolerance }, resultDtype: 'f64' });
        assert.equal(got.tailMassKind, tolerance > 2 ** -24 ? 'certified' : 'exact');
        for (let b = 0; b < BATCH; b++) {
          const want = posterior(rows, { x: x.subarray(b * DIM, (b + 1) * DIM), ...level });
          const bound = got.tailMassBound[b]!;
          // 4 partitions may each leave out the tolerance of their own mass.
          assert.ok(bound <= 2 * tolerance, `${bound} where ${tolerance} is allowed`);
          const error = worstDifference(got.x0hat.subarray(b * DIM, (b + 1) * DIM), want.x0hat);
          assert.ok(error <= 2 * bound + ROUNDING, `t ${step}: x0hat is off by ${error} with a bound of ${bound}`);
          worst = Math.max(worst, error);
          largestBound = Math.max(largestBound, bound);
        }
      }
    }
    t.diagnostic(`worst x0hat difference ${worst.toExponential(2)}, largest bound ${largestBound.toExponential(2)}`);
  } finally {
    client.close();
    await cluster.stop();
  }
});
