import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logitDivisors, logitHistogram, posteriorScalars, weightedSums } from '../../../../shard-worker/backends/reference/row-posterior.js';
import { ResidentPartition } from '../../../../shard-worker/backends/reference/resident-partition.js';
import { HISTOGRAM_BINS, SKIPPED_SHARE_QUANTUM } from '../../../../shared/limits.js';

const divisors = logitDivisors(Float64Array.of(1, 1, 1), 0.5);

test('scalars of no row, one row and equal rows', () => {
  const s = posteriorScalars([new Float64Array(0), Float64Array.of(3), Float64Array.of(2, 2, 2, 2)], divisors);
  assert.deepEqual([...s.maxLogit], [-Infinity, -3, -2]);
  assert.deepEqual([...s.mass], [0, 1, 4]);
  assert.deepEqual([...s.massSq], [0, 1, 4]);
  assert.deepEqual([...s.rows], [0, 1, 4]);
  assert.ok(Object.is(posteriorScalars([Float64Array.of(0)], divisors).maxLogit[0], 0), 'a row at distance 0 has logit 0, not -0');
});

test('rows far beyond the underflow of exp add nothing and make no NaN', () => {
  const s = posteriorScalars([Float64Array.of(1e-3, 1e6, 1e300)], logitDivisors(Float64Array.of(1e-9), 1));
  assert.equal(s.mass[0], 1);
  assert.equal(s.rows[0], 3);
});

test('weighted sums leave out far rows and negligible partitions, and say how much', () => {
  const values = new Uint8Array(new SharedArrayBuffer(6));
  values.set([0, 255, 255, 255, 51, 102]);
  const partition = new ResidentPartition({
    dataSet: 'three',
    partition: 0,
    rows: 3,
    shape: [1, 1, 2],
    values,
    labels: new Int32Array(3).fill(-1),
    rowIds: Uint32Array.of(0, 1, 2),
  });
  // Logits: 0, -1 and -100 for both queries.
  const distances = [Float64Array.of(0, 1, 100), Float64Array.of(0, 1, 100)];
  const two = divisors.subarray(0, 2);
  const own = posteriorScalars(distances, two);
  const global = { maxLogit: Float64Array.of(0, 50), mass: Float64Array.of(own.mass[0]!, 2) };
  const request = { lists: [undefined, undefined], distances, divisors: two, own, global, negligibleShare: 2 ** -40 };
  const got = weightedSums(partition, request, () => {});
  assert.deepEqual([...got.queries], [0]);
  const e = Math.exp(-1);
  assert.deepEqual([...got.sums], [Math.fround(-1 + e), Math.fround(1 + e)]);
  assert.equal(got.skippedShare[0], SKIPPED_SHARE_QUANTUM, 'one row beyond 60 nats, rounded up');
  assert.ok(Math.abs(got.skippedShare[1]! - (own.mass[1]! * Math.exp(-50)) / 2) < SKIPPED_SHARE_QUANTUM);
  const nothing = { maxLogit: Float64Array.of(-Infinity, 0), mass: new Float64Array(2) };
  const none = weightedSums(partition, { ...request, global: nothing, negligibleShare: 0 }, () => {});
  assert.deepEqual([none.queries.length, [...none.skippedShare]], [0, [0, 0]], 'nothing passed anywhere');
});

test('the histogram bins by distance below the global maximum, 1/32 nat wide, and drops what lies beyond', () => {
  const h = logitHistogram([Float64Array.of(1, 1 + 1 / 32, 1.99 / 32 + 1, 41, 40.99)], divisors.subarray(0, 1), Float64Array.of(-1));
  assert.deepEqual([h.rows[0], h.rows[1], h.rows[HISTOGRAM_BINS - 1]], [1, 2, 1]);
  assert.equal(
    h.rows.reduce((sum, n) => sum + n, 0),
    4,
  );
  assert.equal(h.mass[0], 1);
});
