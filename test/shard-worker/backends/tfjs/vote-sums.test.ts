import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSupportSet } from '../../../../shared/math/support-set.js';
import { voteSums } from '../../../../shard-worker/backends/tfjs/vote-sums.js';
import type { Precision } from '../../../../shard-worker/backends/backend.js';
import { weightGroupsOf } from '../../../../shard-worker/backends/reference/weight-groups.js';
import { seeded } from '../generated-partition.js';
import { deviceUnderTest, skip } from './tfjs-under-test.js';

test('groups on the device sum the values that vote for them, windows and supports, block by block', { skip }, async () => {
  const { ops } = await deviceUnderTest();
  const random = seeded(1);
  const cases: [readonly [number, number, number], Exclude<Precision, { kind: 'equivariant' }>][] = [
    [[2, 4, 3], { kind: 'window', side: 3 }],
    [[1, 5, 6], { kind: 'window', side: 1 }],
    [[3, 3, 3], { kind: 'window', side: 9 }],
    [[1, 4, 4], { kind: 'supports', set: makeSupportSet(16, 16, (p, g) => g !== 4 && random() < 0.3) }],
    // More groups than one mask holds.
    [[1, 4100, 1], { kind: 'supports', set: makeSupportSet(4100, 4100, (p, g) => Math.abs(p - g) < 2) }],
  ];
  for (const [shape, precision] of cases) {
    const D = shape[0] * shape[1] * shape[2];
    const want = weightGroupsOf(precision, shape);
    const squares = new Float32Array(3 * D).map(() => random());
    let next = 0;
    for (const votes of voteSums(ops, precision, shape)) {
      assert.equal(votes.first, next);
      next += votes.count;
      const got = ops.tidy(() => votes.sum(ops.tensor(squares.slice(), [3, D], 'float32')).dataSync());
      votes.dispose();
      const distances = new Float64Array(want.groups);
      for (let i = 0; i < 3; i++) {
        want.sum(Float64Array.from(squares.subarray(i * D, (i + 1) * D)), distances);
        for (let g = 0; g < votes.count; g++)
          assert.ok(Math.abs(got[i * votes.count + g]! - distances[votes.first + g]!) <= D * 2 ** -24 * distances[votes.first + g]!);
      }
    }
    assert.equal(next, want.groups);
  }
  assert.equal(ops.memory().numTensors, 0);
});
