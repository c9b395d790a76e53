/** The reference trajectories through the native backend: the accuracy at every DDIM timestep, on every instruction set. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PartitionRows, StepQueries } from '../../../../shard-worker/backends/backend.js';
import { plainMnist } from '../../../support/data-sets.js';
import { GOLDEN_DIM, GOLDEN_NAMES, loadGolden, type Golden } from '../../../support/goldens.js';
import { isas, nativeBackend, skip } from './addon-under-test.js';

/** The bounds. */
const LOGIT_TOLERANCE_NATS = 1e-3;
const LOGIT_RANGE_NATS = 20;
const X0HAT_TOLERANCE = 1e-5;
const LOG_Z_TOLERANCE = 1e-6;

function asPartition(golden: Golden): PartitionRows {
  const { pixels } = plainMnist(golden.firstRow, golden.rows);
  const values = new Uint8Array(new SharedArrayBuffer(pixels.length));
  values.set(pixels);
  const n = golden.rows;
  return {
    dataSet: 'mnist',
    partition: 0,
    rows: n,
    shape: [1, 28, 28],
    values,
    labels: new Int32Array(n),
    rowIds: Uint32Array.from({ length: n }, (_, i) => i),
  };
}

/** [B][n] squared distances in double by x - a (u / 127.5 - 1). */
function distances(rows: PartitionRows, queries: StepQueries): Float64Array[] {
  return Array.from({ length: queries.batch }, (_, b) => {
    const x = queries.x.subarray(b * GOLDEN_DIM, (b + 1) * GOLDEN_DIM);
    return Float64Array.from({ length: rows.rows }, (_, i) => {
      let sum = 0;
      for (let p = 0; p < GOLDEN_DIM; p++) sum += (x[p]! - queries.alpha[b]! * (rows.values[i * GOLDEN_DIM + p]! / 127.5 - 1)) ** 2;
      return sum;
    });
  });
}

test('the reference trajectories run on every instruction set of this machine', { skip }, () => {
  assert.ok(isas.length > 0);
});

for (const name of skip === false ? GOLDEN_NAMES : [])
  test(`${name}: logits, log Z and x0hat at every timestep, on every instruction set`, async (t) => {
    const golden = await loadGolden(name);
    const partition = asPartition(golden);
    const { batch } = golden;
    const size = batch * GOLDEN_DIM;
    const worst = new Map<string, { logit: number; logZ: number; x0hat: number; largest: number }>();
    const backends = isas.map((isa) => nativeBackend(isa));
    try {
      for (const backend of backends) await backend.load(partition);
      for (let k = 0; k < golden.timesteps.length; k++) {
        const { alpha, sigma } = golden.levels[k]!;
        const queries: StepQueries = {
          dataSet: 'mnist',
          batch,
          x: golden.xt.slice(k * size, (k + 1) * size),
          alpha: new Float64Array(batch).fill(alpha),
          sigma: new Float64Array(batch).fill(sigma),
          temperature: 1,
          labels: undefined,
          golden: undefined,
        };
        const exact = distances(partition, queries);
        for (const backend of backends) {
          const seen = worst.get(backend.isa) ?? { logit: 0, logZ: 0, x0hat: 0, largest: 0 };
          const step = backend.openStep(queries);
          const scalars = await step.scalars(0, {});
          const sums = await step.sums(0, {}, scalars, 2 ** -40, false);
          const near = exact.map((d) => {
            const nearest = d.reduce((a, b) => Math.min(a, b));
            return d.reduce((count, v) => count + (v - nearest <= LOGIT_RANGE_NATS * 2 * sigma * sigma ? 1 : 0), 0);
          });
          const screen = await step.screen(0, 'full', {}, { kind: 'windows', windows: near.map((count, query) => ({ query, firstRank: 0, count })) });
          step.close();
          let at = 0;
          for (let b = 0; b < batch; b++) {
            for (const end = at + near[b]!; at < end; at++) {
              const logit = -screen.keys[at]! / (2 * sigma * sigma);
              const want = -exact[b]![screen.rowIds[at]!]! / (2 * sigma * sigma);
              seen.logit = Math.max(seen.logit, Math.abs(logit - want));
            }
            const furthest = exact[b]!.reduce((a, c) => Math.max(a, c));
            seen.largest = Math.max(seen.largest, furthest / (2 * sigma * sigma));
            const logZ = scalars.maxLogit[b]! + Math.log(scalars.mass[b]!);
            const wantZ = golden.exactLogZ[k * batch + b]!;
            seen.logZ = Math.max(seen.logZ, Math.abs(logZ - wantZ) / Math.abs(wantZ));
            const row = sums.queries.indexOf(b);
            assert.ok(row >= 0);
            for (let p = 0; p < GOLDEN_DIM; p++) {
              const x0hat = sums.sums[row * GOLDEN_DIM + p]! / scalars.mass[b]!;
              seen.x0hat = Math.max(seen.x0hat, Math.abs(x0hat - golden.exactOptimal[k * size + b * GOLDEN_DIM + p]!));
            }
          }
          worst.set(backend.isa, seen);
        }
      }
    } finally {
      for (const backend of backends) await backend.close();
    }
    for (const [isa, seen] of worst) {
      const errors = `logits off by ${seen.logit.toExponential(1)} nats (largest ${seen.largest.toExponential(1)}), log Z ${seen.logZ.toExponential(1)}, x0hat ${seen.x0hat.toExponential(1)}`;
      t.diagnostic(`${isa}: ${errors}`);
      assert.ok(seen.logit <= LOGIT_TOLERANCE_NATS && seen.logZ <= LOG_Z_TOLERANCE && seen.x0hat <= X0HAT_TOLERANCE, `${isa}: ${errors}`);
    }
  });
