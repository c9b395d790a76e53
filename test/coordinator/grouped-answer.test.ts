import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftOut } from '../../coordinator/grouped-bound.js';
import { formGroupedAnswer, type MergedGroups } from '../../coordinator/grouped-answer.js';
import { coverageOf } from '../../coordinator/step-assignments.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import type { ReadyPrecision } from '../../coordinator/step-precision.js';
import { emptyGroupedPartial } from '../../shared/math/grouped-partial.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 10, partitions: 2, shape: [1, 2, 2] });
const SIGMA = 0.5;
const plan: StepPlan = {
  manifest,
  batch: 1,
  dim: 4,
  x: new Float64Array(4),
  xDtype: 'F32',
  alpha: Float64Array.of(1),
  sigma: Float64Array.of(SIGMA),
  temperature: 1,
  labels: undefined,
  eligible: Float64Array.of(10),
  golden: undefined,
  denoiser: { route: 'groups', groups: 4, precisions: [], of: Uint32Array.of(0) },
  massRows: false,
  allowPartial: false,
};
/** Groups: of two voters, of one, of none, and a constant one. */
const precision: ReadyPrecision = {
  groups: 4,
  kinds: [
    {
      message: {},
      supports: undefined,
      voters: Uint32Array.of(2, 1, 0, 1),
      constant: Uint8Array.of(0, 0, 0, 1),
      votesForItself: Uint8Array.of(1, 1, 0, 1),
      weightsPerRow: 1,
    },
  ],
  of: Uint32Array.of(0),
};
const timings = () => ({ totalMs: 0, queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs: 0, mergeMs: 0, workerComputeMs: 0 });

function mergedOf(rows: number): MergedGroups {
  const partial = emptyGroupedPartial(1, 4, 4);
  partial.rows[0] = rows;
  partial.maxLogit.set([-1, -2, 0, 0]);
  partial.minLogit.set([-5, -3, 0, 0]);
  partial.mass.set([2, 1.5, rows, rows]);
  partial.massSq.set([1.25, 1.1, rows, rows]);
  partial.sums.set([1, -0.75, 3, rows]);
  return { partial, eligible: Float64Array.of(10), coverage: coverageOf(manifest, []) };
}

const near = (got: number, want: number): void => assert.ok(Math.abs(got - want) < 1e-12, `${got} against ${want}`);

test('means over groups with voters, the worst weight and bound, and constants in none of them', () => {
  const bytes = { ...plan, manifest: { ...manifest, dtype: 'u8' as const } };
  const answer = formGroupedAnswer(bytes, precision, mergedOf(6), timings());
  assert.deepEqual([...answer.x0hat], [0.5, -0.5, 0.5, 1]);
  near(answer.logZ[0]!, (-1 + Math.log(2) - 2 + Math.log(1.5)) / 2);
  const perVoter = Math.log(2 * Math.PI * SIGMA ** 2) / 2;
  near(answer.logEvidence[0]!, (-1 + Math.log(2) - 2 * perVoter - 2 + Math.log(1.5) - perVoter) / 2 - Math.log(10));
  near(answer.effectiveSupport[0]!, (4 / 1.25 + 1.5 ** 2 / 1.1) / 2);
  near(answer.maxWeight[0]!, 1 / 1.5);
  // Four rows were not scored, of a weight of 1 at most each; x is 0, so that little is proven at this noise, and the worst value is the second or the first.
  const bounds = [
    { logOutside: Math.log(4 / 2) + 1, mean: 0.5, votes: true },
    { logOutside: Math.log(4 / 1.5) + 2, mean: -0.5, votes: true },
    { logOutside: Math.log(4 / 6), mean: 0.5, votes: false },
  ].map((value) => leftOut({ ...value, centre: 0, width: SIGMA }, { low: -1, high: 1 }));
  near(answer.tailMassBound[0]!, Math.max(...bounds));
  assert.equal(answer.tailMassKind, 'CERTIFIED');
  assert.deepEqual(answer.goldenRows, [6]);
  assert.equal(answer.massRows, undefined);
});

test('rows of any size are bounded by the share of their mass, a bound that more weights for each row raise', () => {
  const floats = { ...plan, manifest: { ...manifest, dtype: 'f32' as const } };
  const few = mergedOf(6);
  few.partial.maxLogit.fill(0);
  near(formGroupedAnswer(floats, precision, few, timings()).tailMassBound[0]!, 4 / (1.5 + 4));
  const patches = { ...precision, kinds: [{ ...precision.kinds[0]!, weightsPerRow: 9 }] };
  near(formGroupedAnswer(floats, patches, few, timings()).tailMassBound[0]!, 36 / (1.5 + 36));
});

test('with every row scored nothing is left out', () => {
  const answer = formGroupedAnswer(plan, precision, mergedOf(10), timings());
  assert.deepEqual([answer.tailMassBound[0], answer.tailMassKind], [0, 'EXACT']);
});

test('where nothing votes for any group all rows weigh the same', () => {
  const none = { ...precision, kinds: [{ ...precision.kinds[0]!, voters: new Uint32Array(4) }] };
  const { logZ, effectiveSupport, maxWeight, logEvidence } = formGroupedAnswer(plan, none, mergedOf(10), timings());
  near(logZ[0]!, Math.log(10));
  near(logEvidence[0]!, 0);
  assert.deepEqual([effectiveSupport[0], maxWeight[0]], [10, 0.1]);
});

test('no row, and weights that are no numbers, are refused', () => {
  const empty = { ...mergedOf(6), partial: emptyGroupedPartial(1, 4, 4) };
  assert.throws(() => formGroupedAnswer(plan, precision, empty, timings()), { code: 'PARTITION_MISSING' });
  const far = mergedOf(6);
  far.partial.maxLogit[1] = -Infinity;
  assert.throws(() => formGroupedAnswer(plan, precision, far, timings()), { code: 'ARGUMENT_INVALID', message: /x\[0\]/ });
});
