import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formAnswer, type MergedStep } from '../../coordinator/step-answer.js';
import { eligibleRows, type GoldenPlan, type StepPlan } from '../../coordinator/step-plan.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 30, partitions: 3, shape: [1, 1, 2] });
const plan: StepPlan = {
  manifest,
  batch: 1,
  dim: 2,
  x: Float64Array.of(0, 0),
  xDtype: 'F32',
  alpha: Float64Array.of(1),
  sigma: Float64Array.of(0.5),
  temperature: 1,
  labels: undefined,
  eligible: eligibleRows(manifest, undefined, 1),
  golden: undefined,
  denoiser: { route: 'rows' },
  massRows: false,
  allowPartial: false,
};
const timings = () => ({ totalMs: 0, queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs: 0, mergeMs: 0, workerComputeMs: 0 });
const merged = (more: Partial<MergedStep> = {}, scalars: Partial<Record<'maxLogit' | 'mass' | 'massSq' | 'rows', number>> = {}): MergedStep => ({
  scalars: {
    maxLogit: Float64Array.of(scalars.maxLogit ?? -2),
    mass: Float64Array.of(scalars.mass ?? 4),
    massSq: Float64Array.of(scalars.massSq ?? 2),
    rows: Float64Array.of(scalars.rows ?? 30),
  },
  sums: { queries: Uint32Array.of(0), sums: Float32Array.of(2, -1) },
  skippedShare: Float64Array.of(0),
  histogram: undefined,
  eligible: Float64Array.of(30),
  lastDistance: undefined,
  coverage: { rowsReached: 30, rowsTotal: 30, fraction: 1, missingPartitions: [] },
  ...more,
});

test('the answer follows from the merged partials by the formulas', () => {
  const answer = formAnswer(plan, merged(), timings());
  assert.deepEqual([...answer.x0hat], [0.5, -0.25]);
  assert.equal(answer.logZ[0], -2 + Math.log(4));
  assert.ok(Math.abs(answer.logEvidence[0]! - (-2 + Math.log(4) - Math.log(30) - Math.log(2 * Math.PI * 0.25))) < 1e-12);
  assert.equal(answer.effectiveSupport[0], 8);
  assert.equal(answer.maxWeight[0], 0.25);
  assert.deepEqual(answer.goldenRows, [30]);
  assert.equal(answer.tailMassKind, 'EXACT');
});

test('rows outside a golden subset are bounded by its last row', () => {
  const answer = formAnswer(plan, merged({ lastDistance: Float64Array.of(1.5), skippedShare: Float64Array.of(0.01) }, { rows: 20 }), timings());
  const tail = 10 * Math.exp(-3 + 2);
  assert.equal(answer.tailMassKind, 'HEURISTIC');
  assert.ok(Math.abs(answer.tailMassBound[0]! - (0.01 + tail / (4 + tail))) < 1e-12);
});

test('rows that the pre-sample left out may be the nearest of all, however far the last row inside lies', () => {
  // The pre-sample saw 20 of 30 rows, far away; the bound by the last row inside alone would be 1e-10.
  const presample = Float64Array.of(20);
  const released = { ...plan, golden: { presample } as unknown as GoldenPlan };
  const far = merged({ lastDistance: Float64Array.of(40) }, { rows: 12, maxLogit: -50, mass: 1 });
  assert.equal(formAnswer(released, far, timings()).tailMassBound[0], 1);
  assert.equal(formAnswer(released, far, timings()).tailMassKind, 'HEURISTIC');
  // On the spot: 10 rows unseen of a weight of 1 at most, and 8 that were seen and lie beyond the last.
  const near = merged({ lastDistance: Float64Array.of(0.25) }, { rows: 12, maxLogit: 0, mass: 4 });
  const tail = 10 + 8 * Math.exp(-0.5);
  assert.ok(Math.abs(formAnswer(released, near, timings()).tailMassBound[0]! - tail / (4 + tail)) < 1e-12);
  // With everything seen it is the last row alone that counts.
  const seen = { ...plan, golden: { presample: Float64Array.of(30) } as unknown as GoldenPlan };
  assert.ok(formAnswer(seen, far, timings()).tailMassBound[0]! < 1e-10);
});

test('rounding does not push the support out of its range', () => {
  assert.equal(formAnswer(plan, merged({}, { mass: 1, massSq: 1 + 1e-15 }), timings()).effectiveSupport[0], 1);
});

test('a query whose weights are no numbers is refused by name, and a label without rows in reach is missing', () => {
  for (const scalars of [{ maxLogit: -Infinity }, { maxLogit: NaN }, { mass: 0 }]) {
    assert.throws(() => formAnswer(plan, merged({}, scalars), timings()), { code: 'ARGUMENT_INVALID', message: /x\[0\]/ });
  }
  const coverage = { rowsReached: 20, rowsTotal: 30, fraction: 2 / 3, missingPartitions: [2] };
  assert.throws(() => formAnswer(plan, merged({ coverage }, { rows: 0, maxLogit: -Infinity }), timings()), { code: 'PARTITION_MISSING' });
});
