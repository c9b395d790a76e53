import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formBlockedAnswer } from '../../coordinator/blocked-answer.js';
import { coverageOf } from '../../coordinator/step-assignments.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { blockedLeaf } from '../../shared/math/blocked-partial.js';
import { emptyGroupedPartial, type GroupedPartial } from '../../shared/math/grouped-partial.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 10, partitions: 2, shape: [1, 1, 2] });
const plan = (groups: number): StepPlan => ({
  manifest,
  batch: 1,
  dim: 2,
  x: new Float64Array(2),
  xDtype: 'F32',
  alpha: Float64Array.of(1),
  sigma: Float64Array.of(0.5),
  temperature: 1,
  labels: undefined,
  eligible: Float64Array.of(10),
  golden: undefined,
  denoiser: groups === 1 ? { route: 'rows' } : { route: 'groups', groups, precisions: [], of: Uint32Array.of(0) },
  blockRows: 5,
  massRows: false,
  allowPartial: false,
});
const timings = () => ({ totalMs: 0, queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs: 0, mergeMs: 0, workerComputeMs: 0 });

function partialOf(groups: number, logit: number, values: readonly [number, number]): GroupedPartial {
  const partial = emptyGroupedPartial(1, groups, 2);
  partial.rows[0] = 5;
  partial.maxLogit.fill(logit);
  partial.minLogit.fill(logit);
  partial.mass.fill(5);
  partial.massSq.fill(5);
  partial.sums.set(values.map((value) => 5 * value));
  return partial;
}

test('two blocks count the same, though one holds all the mass; the statistics are those of one softmax, and there is no bound', () => {
  for (const groups of [1, 2]) {
    const partial = blockedLeaf([
      { block: 0, partial: partialOf(groups, -1, [1, 0]) },
      { block: 1, partial: partialOf(groups, -100, [-0.5, 1]) },
    ]);
    const kinds = [
      {
        message: {},
        supports: undefined,
        voters: Uint32Array.of(1, 1),
        constant: Uint8Array.of(0, 0),
        votesForItself: Uint8Array.of(1, 1),
        weightsPerRow: 1,
      },
    ];
    const precision = groups === 1 ? undefined : { groups, kinds, of: Uint32Array.of(0) };
    const merged = { partial, eligible: Float64Array.of(10), coverage: coverageOf(manifest, []) };
    const answer = formBlockedAnswer(plan(groups), precision, merged, timings());
    assert.deepEqual([...answer.x0hat], [0.25, 0.5]);
    assert.ok(Math.abs(answer.logZ[0]! - (-1 + Math.log(5))) < 1e-12);
    assert.ok(Math.abs(answer.effectiveSupport[0]! - 5) < 1e-12);
    assert.deepEqual([answer.goldenRows, answer.tailMassBound, answer.tailMassKinds, answer.tailMassKind], [[10], [1], ['HEURISTIC'], 'HEURISTIC']);
    assert.equal(answer.massRows, undefined);
  }
});

test('what cannot be answered is refused as without blocks', () => {
  const empty = {
    partial: blockedLeaf([{ block: 0, partial: emptyGroupedPartial(1, 1, 2) }]),
    eligible: Float64Array.of(10),
    coverage: coverageOf(manifest, []),
  };
  assert.throws(() => formBlockedAnswer(plan(1), undefined, empty, timings()), { code: 'PARTITION_MISSING' });
});
