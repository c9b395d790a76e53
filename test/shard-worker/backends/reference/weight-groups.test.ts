import assert from 'node:assert/strict';
import { test } from 'node:test';
import { weightGroupsOf } from '../../../../shard-worker/backends/reference/weight-groups.js';
import { makeSupportSet } from '../../../../shared/math/support-set.js';
import { plainWindows } from '../../../support/grouped-oracle.js';
import { seeded } from '../generated-partition.js';

function squaresOf(D: number, seed: number): Float64Array {
  const random = seeded(seed);
  return Float64Array.from({ length: D }, () => 10 ** (6 * random() - 3));
}

test('windows of every side sum what lies in them, over all channels, cut off at the border', (t) => {
  let worst = 0;
  for (const shape of [
    [1, 1, 1],
    [1, 5, 7],
    [3, 6, 4],
    [2, 8, 8],
  ] as const) {
    const D = shape[0] * shape[1] * shape[2];
    const squares = squaresOf(D, D);
    const total = squares.reduce((sum, v) => sum + v, 0);
    for (let side = 1; side <= 2 * Math.max(shape[1], shape[2]) - 1; side += 2) {
      const groups = weightGroupsOf({ kind: 'window', side }, shape);
      const distances = new Float64Array(groups.groups);
      groups.sum(squares, distances);
      plainWindows(shape, side).forEach((voters, g) => {
        const want = voters.reduce((sum, p) => sum + squares[p]!, 0);
        worst = Math.max(worst, Math.abs(distances[g]! - want) / total);
        assert.ok(distances[g]! >= 0);
      });
    }
  }
  t.diagnostic(`largest error ${worst.toExponential(2)} of the whole`);
  // Differences of running sums of up to 128 terms.
  assert.ok(worst < 128 * 2 ** -52, `${worst}`);
});

test('supports sum their runs, and a group without voters is at distance 0', () => {
  const D = 300;
  const random = seeded(5);
  const votes = Array.from({ length: D }, (_, g) => Uint8Array.from({ length: D }, () => (g === 7 ? 0 : random() < g / D ? 1 : 0)));
  const set = makeSupportSet(D, D, (p, g) => votes[g]![p] === 1);
  const squares = squaresOf(D, 9);
  const total = squares.reduce((sum, v) => sum + v, 0);
  const distances = new Float64Array(D);
  weightGroupsOf({ kind: 'supports', set }, [1, D, 1]).sum(squares, distances);
  votes.forEach((own, g) => {
    const want = own.reduce((sum, vote, p) => sum + vote * squares[p]!, 0);
    assert.ok(Math.abs(distances[g]! - want) <= D * 2 ** -52 * total, `group ${g}`);
  });
  assert.equal(distances[7], 0);
});

test('no distance is below 0 where a large value comes before small ones', () => {
  const squares = Float64Array.from({ length: 50 }, (_, p) => (p === 0 ? 1e30 : 1e-30));
  const set = makeSupportSet(50, 2, (p, g) => (g === 0 ? p > 0 : p > 0 && p % 2 === 0));
  const distances = new Float64Array(2);
  weightGroupsOf({ kind: 'supports', set }, [1, 50, 1]).sum(squares, distances);
  assert.ok(distances.every((d) => d >= 0));
  const window = weightGroupsOf({ kind: 'window', side: 3 }, [1, 5, 10]);
  const windows = new Float64Array(50);
  window.sum(squares, windows);
  assert.ok(windows.every((d) => d >= 0));
});
