import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverageOf } from '../../coordinator/step-assignments.js';
import type { StepAnswer } from '../../coordinator/step-answer.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { subBatch, withAnswers } from '../../coordinator/sub-batch.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 30, partitions: 3, shape: [1, 1, 2] });
const counting = (from: number): Float64Array => Float64Array.of(from, from + 1, from + 2);
const plan: StepPlan = {
  manifest,
  batch: 3,
  dim: 2,
  x: Float64Array.of(0, 1, 10, 11, 20, 21),
  xDtype: 'F32',
  alpha: counting(1),
  sigma: counting(2),
  temperature: 1,
  labels: Int32Array.of(-1, 0, 1),
  eligible: counting(3),
  golden: {
    proxyResolution: 1,
    search: 'SEARCH_SCAN',
    presampleSeed: 4,
    presampleStep: 5,
    queryIds: Uint32Array.of(7, 8, 9),
    presample: counting(40),
    pool: counting(30),
    subset: counting(20),
  },
  denoiser: {
    route: 'groups',
    groups: 2,
    precisions: [
      { kind: 'window', side: 1 },
      { kind: 'window', side: 3 },
    ],
    of: Uint32Array.of(0, 0, 1),
  },
  massRows: true,
  allowPartial: true,
};

function answerOf(values: readonly number[], missing: readonly number[]): StepAnswer {
  const rows = [...values];
  return {
    x0hat: Float64Array.from(values.flatMap((v) => [v, -v])),
    logEvidence: rows,
    logZ: rows,
    effectiveSupport: rows,
    maxWeight: rows,
    goldenRows: rows,
    tailMassBound: rows,
    tailMassKinds: rows.map((v) => (v < 10 ? 'HEURISTIC' : 'EXACT')),
    tailMassKind: 'HEURISTIC',
    massRows: { rows50: rows, rows90: rows, rows99: rows },
    coverage: coverageOf(manifest, missing),
    timings: { totalMs: 1, queueMs: 0, scatterMs: 2, screenMs: 3, aggregateMs: 4, mergeMs: 5, workerComputeMs: 6 },
  };
}

test('a sub-batch has what belongs to its queries, and only their precisions', () => {
  const part = subBatch(plan, [0, 2]);
  assert.deepEqual([part.batch, [...part.x], [...part.alpha], [...part.sigma]], [2, [0, 1, 20, 21], [1, 3], [2, 4]]);
  assert.deepEqual(
    [[...part.labels!], [...part.eligible], [...part.golden!.queryIds]],
    [
      [-1, 1],
      [3, 5],
      [7, 9],
    ],
  );
  assert.deepEqual(
    [[...part.golden!.presample], [...part.golden!.pool], [...part.golden!.subset]],
    [
      [40, 42],
      [30, 32],
      [20, 22],
    ],
  );
  const last = subBatch(plan, [2]).denoiser;
  assert.ok(last.route === 'groups');
  assert.deepEqual([last.precisions, [...last.of]], [[{ kind: 'window', side: 3 }], [0]]);
  const gaussian = subBatch({ ...plan, denoiser: { route: 'gaussian', ratio: counting(1) } }, [1]).denoiser;
  assert.ok(gaussian.route === 'gaussian' && gaussian.ratio[0] === 2);
});

test('answers go to their places, times add up, and what either did not reach is missing', () => {
  const answer = withAnswers(plan, answerOf([1, 2, 3], [2]), [0, 2], answerOf([11, 13], [0]));
  assert.deepEqual([...answer.x0hat], [11, -11, 2, -2, 13, -13]);
  for (const list of [answer.logEvidence, answer.logZ, answer.effectiveSupport, answer.maxWeight, answer.goldenRows, answer.tailMassBound])
    assert.deepEqual(list, [11, 2, 13]);
  assert.deepEqual(answer.massRows, { rows50: [11, 2, 13], rows90: [11, 2, 13], rows99: [11, 2, 13] });
  assert.deepEqual([answer.tailMassKinds, answer.tailMassKind], [['EXACT', 'HEURISTIC', 'EXACT'], 'HEURISTIC']);
  assert.deepEqual(answer.coverage, { rowsReached: 10, rowsTotal: 30, fraction: 10 / 30, missingPartitions: [0, 2] });
  assert.deepEqual(answer.timings, { totalMs: 2, queueMs: 0, scatterMs: 4, screenMs: 6, aggregateMs: 8, mergeMs: 10, workerComputeMs: 12 });
});
