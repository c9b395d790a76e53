import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localityMask } from '../../../coordinator/statistics/locality-mask.js';
import { partitionMoments } from '../../../shard-worker/backends/reference/partition-moments.js';
import { VALUE_MAPS } from '../../../shared/dataset/manifest-validation.js';
import { covarianceOf, type MomentSums } from '../../../shared/math/moment-sums.js';
import { supportSizes } from '../../../shared/math/support-set.js';
import { plainMnist } from '../../support/data-sets.js';
import { GOLDEN_DIM, GOLDEN_NAMES, loadGolden } from '../../support/goldens.js';
import { plainCovariance, plainMask } from '../../support/grouped-oracle.js';
import type { PlainRows } from '../../support/brute-force.js';

function votersOf(set: ReturnType<typeof localityMask>): number[][] {
  return Array.from({ length: set.groups }, (_, g) => {
    const voters: number[] = [];
    for (let r = set.firstRun[g]!; r < set.firstRun[g + 1]!; r++) for (let p = set.runs[2 * r]!; p < set.runs[2 * r + 1]!; p++) voters.push(p);
    return voters;
  });
}

function smallRows(): PlainRows {
  let state = 3;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const pixels = new Uint8Array(60 * 20);
  for (let i = 0; i < 60; i++) {
    let walk = 128;
    for (let p = 0; p < 20; p++) {
      walk = Math.min(255, Math.max(0, walk + 120 * (random() - 0.5)));
      // One value is constant, and one barely varies: its row of W is not divided.
      pixels[i * 20 + p] = p === 4 ? 9 : p === 11 ? (i === 0 ? 10 : 9) : walk;
    }
  }
  return { pixels, shape: [1, 4, 5], labels: new Int32Array(60) };
}

test('masks of a walk are the brute-force ones at every noise level and threshold', () => {
  const rows = smallRows();
  const { covariance } = plainCovariance(rows);
  const seen = new Set<number>();
  for (const ratio of [1e-6, 1e-4, 0.01, 1, 100, 1e4])
    for (const threshold of [0.001, 0.02, 0.3, 1]) {
      const voters = votersOf(localityMask(covariance, ratio, threshold));
      assert.deepEqual(voters, plainMask(rows, 1, Math.sqrt(ratio), threshold), `ratio ${ratio}, threshold ${threshold}`);
      seen.add(voters.flat().length);
    }
  assert.ok(seen.size > 8, 'the masks differ');
});

/** All of the data set as one partition. */
function goldenCovariance(pixels: Uint8Array): Float64Array {
  const rows = pixels.length / GOLDEN_DIM;
  const work = partitionMoments({ rows, rowValues: GOLDEN_DIM, values: pixels, labels: new Int32Array(rows) }, -1);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return covarianceOf(value satisfies MomentSums, { dtype: 'u8', valueMap: VALUE_MAPS.u8 }).covariance;
  }
}

for (const name of GOLDEN_NAMES)
  test(`${name}: every column of every mask has as many voters as in the reference run in float64`, async (t) => {
    const golden = await loadGolden(name);
    const covariance = goldenCovariance(plainMnist(golden.firstRow, golden.rows).pixels);
    const densities = golden.levels.map(({ alpha, sigma }, step) => {
      const sizes = supportSizes(localityMask(covariance, (sigma / alpha) ** 2, golden.maskThreshold));
      assert.deepEqual([...sizes], [...golden.maskSizes.subarray(step * GOLDEN_DIM, (step + 1) * GOLDEN_DIM)], `t = ${golden.timesteps[step]}`);
      return sizes.reduce((sum, n) => sum + n, 0) / GOLDEN_DIM ** 2;
    });
    t.diagnostic(`density by step: ${densities.map((d) => `${(100 * d).toFixed(1)}%`).join(' ')}`);
  });
