import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupedPosterior } from '../../../../shard-worker/backends/reference/grouped-posterior.js';
import { fullRows } from '../../../../shard-worker/backends/reference/row-source.js';
import { weightGroupsOf, type WeightGroups } from '../../../../shard-worker/backends/reference/weight-groups.js';

/** The distance of group g is |x_g - y_g|^2: two values, a group each. */
const EACH: WeightGroups = { groups: 2, sum: (squares, distances) => distances.set(squares) };

test('rows of one value each: the softmax of hand', () => {
  const source = fullRows(Float32Array.of(0, 0.5, 1, -1), 2, 2);
  const queries = { x: Float64Array.of(0, 0), alpha: Float64Array.of(1), divisors: Float64Array.of(2), groups: [EACH] };
  const { rows, maxLogit, minLogit, mass, massSq, sums } = groupedPosterior(source, queries, [undefined], 2, () => {});
  const w = Math.exp(-0.5);
  const v = Math.exp(-0.5 + 0.125);
  assert.deepEqual([...rows], [2]);
  assert.deepEqual([...maxLogit], [0, -0.125]);
  assert.deepEqual([...minLogit], [-0.5, -0.5]);
  assert.deepEqual([...mass], [1 + w, 1 + v]);
  assert.deepEqual([...massSq], [1 + w * w, 1 + v * v]);
  assert.deepEqual([...sums], [Math.fround(w), Math.fround(0.5 - v)]);
});

test('a row far below the maximum adds nothing, whether it comes before or after', () => {
  const near = 0.25;
  const far = 100;
  const both = [
    [near, far],
    [far, near],
  ].map((values) => {
    const source = fullRows(Float32Array.from(values), 2, 1);
    const queries = {
      x: Float64Array.of(0),
      alpha: Float64Array.of(1),
      divisors: Float64Array.of(1e-3),
      groups: [weightGroupsOf({ kind: 'window', side: 1 }, [1, 1, 1])],
    };
    return groupedPosterior(source, queries, [undefined], 1, () => {});
  });
  for (const { mass, sums, rows } of both) {
    assert.deepEqual([...mass], [1]);
    assert.deepEqual([...sums], [near]);
    assert.deepEqual([...rows], [2]);
  }
});

test('a query without rows has the identity of the merge, and the checkpoint can end the pass', () => {
  const source = fullRows(new Uint8Array(40), 40, 1);
  const queries = {
    x: Float64Array.of(0),
    alpha: Float64Array.of(1),
    divisors: Float64Array.of(1),
    groups: [weightGroupsOf({ kind: 'window', side: 1 }, [1, 1, 1])],
  };
  const empty = groupedPosterior(source, queries, [new Uint32Array(0)], 1, () => {});
  assert.deepEqual([empty.rows[0], empty.maxLogit[0], empty.mass[0], empty.minLogit[0], empty.sums[0]], [0, -Infinity, 0, Infinity, 0]);
  let calls = 0;
  assert.throws(
    () =>
      groupedPosterior(source, queries, [undefined], 1, () => {
        if (++calls === 2) throw new Error('closed');
      }),
    /closed/,
  );
});
