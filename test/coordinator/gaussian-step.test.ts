import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerGaussian, type GaussianSource } from '../../coordinator/gaussian-step.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 12, partitions: 2, shape: [1, 1, 2], classes: 2 });

test('queries go together by label and level, and come back to their places', async () => {
  const asked: unknown[] = [];
  const source: GaussianSource = {
    gaussian: (label, ratio, x, alpha) => {
      asked.push([label, ratio, [...x], [...alpha]]);
      return Promise.resolve({ x0hat: x.map((v) => v * 10 + label), logEvidence: alpha.map((a) => -a) });
    },
  };
  const plan = {
    manifest,
    batch: 4,
    dim: 2,
    x: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8),
    alpha: Float64Array.of(1, 2, 3, 4),
    sigma: Float64Array.of(1, 1, 1, 1),
    labels: Int32Array.of(-1, 0, -1, -1),
    eligible: Float64Array.of(12, 6, 12, 12),
  } as unknown as StepPlan;
  const answer = await answerGaussian(plan, Float64Array.of(5, 5, 5, 9), source, new AbortController().signal);
  assert.deepEqual(asked, [
    [-1, 5, [1, 2, 5, 6], [1, 3]],
    [0, 5, [3, 4], [2]],
    [-1, 9, [7, 8], [4]],
  ]);
  assert.deepEqual([...answer.x0hat], [9, 19, 30, 40, 49, 59, 69, 79]);
  assert.deepEqual(answer.logEvidence, [-1, -2, -3, -4]);
  assert.deepEqual(answer.effectiveSupport, [12, 6, 12, 12]);
  assert.deepEqual(answer.goldenRows, [12, 6, 12, 12]);
  assert.deepEqual(answer.maxWeight, [1 / 12, 1 / 6, 1 / 12, 1 / 12]);
  assert.deepEqual([answer.tailMassBound, answer.tailMassKind, answer.coverage.fraction], [[0, 0, 0, 0], 'EXACT', 1]);
  // log evidence = log Z - log N - D/2 log(2 pi sigma^2), as for the other denoisers.
  answer.logZ.forEach((z, b) => assert.ok(Math.abs(z - Math.log(answer.goldenRows[b]!) - Math.log(2 * Math.PI) - answer.logEvidence[b]!) < 1e-12));
});
