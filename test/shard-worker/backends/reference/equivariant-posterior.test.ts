import assert from 'node:assert/strict';
import { test } from 'node:test';
import { equivariantPosterior } from '../../../../shard-worker/backends/reference/equivariant-posterior.js';
import { fullRows } from '../../../../shard-worker/backends/reference/row-source.js';
import { equivariantOracle } from '../../../support/equivariant-oracle.js';
import { seeded } from '../generated-partition.js';

const TOLERANCE = 1e-12;
/** Sums are rounded to float32 once. */
const X0HAT_TOLERANCE = 2 ** -23;

test('any shape and patch, larger than the picture too, is the brute force over all pairs of locations; a list of rows is those rows', (t) => {
  const random = seeded(8);
  let worst = 0;
  for (const [shape, side] of [
    [[1, 1, 1], 1],
    [[1, 1, 5], 3],
    [[2, 4, 3], 1],
    [[2, 4, 3], 5],
    [[3, 3, 4], 7],
  ] as const) {
    const D = shape[0] * shape[1] * shape[2];
    const G = shape[1] * shape[2];
    const n = 7;
    const pixels = Uint8Array.from({ length: n * D }, () => Math.floor(random() * 256));
    const levels = [
      { alpha: 0.3, sigma: 1 },
      { alpha: 1, sigma: 0.05 },
      { alpha: 0.9, sigma: 0.4 },
    ];
    const lists = [undefined, Uint32Array.of(1, 2, 6), undefined];
    const x = Float64Array.from({ length: 3 * D }, () => random() * 3 - 1.5);
    const queries = {
      x,
      alpha: Float64Array.from(levels, (l) => l.alpha),
      divisors: Float64Array.from(levels, (l) => 2 * l.sigma ** 2),
      sides: [side, side, 1],
    };
    const got = equivariantPosterior(fullRows(pixels, n, D), queries, lists, shape, () => {});
    levels.forEach((level, b) => {
      const query = { x: x.subarray(b * D, (b + 1) * D), ...level };
      const want = equivariantOracle({ pixels, shape, labels: [] }, query, queries.sides[b]!, Array.from(lists[b] ?? [0, 1, 2, 3, 4, 5, 6]));
      assert.equal(got.rows[b], lists[b]?.length ?? n);
      for (let g = 0; g < G; g++) {
        const i = b * G + g;
        const near = (value: number, wanted: number): void =>
          assert.ok(Math.abs(value - wanted) <= TOLERANCE * Math.max(1, Math.abs(wanted)), `${value}, not ${wanted}`);
        near(got.maxLogit[i]! + Math.log(got.mass[i]!), want.logZ[g]!);
        near(got.mass[i]! ** 2 / got.massSq[i]!, want.effectiveSupport[g]!);
        near(1 / got.mass[i]!, want.maxWeight[g]!);
        assert.ok(got.minLogit[i]! <= got.maxLogit[i]!);
        for (let p = g; p < D; p += G) {
          const error = Math.abs(got.sums[b * D + p]! / got.mass[i]! - want.x0hat[p]!);
          worst = Math.max(worst, error);
          assert.ok(error <= X0HAT_TOLERANCE, `x0hat of ${p} is off by ${error}`);
        }
      }
    });
  }
  t.diagnostic(`worst x0hat difference ${worst.toExponential(2)}`);
});

test('a picture that is moved has its answer moved, away from the border', () => {
  const shape = [1, 8, 8] as const;
  const random = seeded(3);
  const rows = Uint8Array.from({ length: 4 * 64 }, () => Math.floor(random() * 256));
  const middle = Array.from({ length: 64 }, () => random());
  // Zeros all around, as the padding is, so that nothing tells where the picture lies.
  const place = (i0: number, j0: number): Float64Array =>
    Float64Array.from({ length: 64 }, (_, p) => {
      const [i, j] = [Math.floor(p / 8) - i0, (p % 8) - j0];
      return i >= 0 && i < 4 && j >= 0 && j < 4 ? middle[i * 8 + j]! : 0;
    });
  const answer = (x: Float64Array): Float64Array => {
    const queries = { x, alpha: Float64Array.of(0.8), divisors: Float64Array.of(0.5), sides: [3] };
    const { sums, mass } = equivariantPosterior(fullRows(rows, 4, 64), queries, [undefined], shape, () => {});
    return Float64Array.from(sums, (sum, p) => sum / mass[p]!);
  };
  const [one, other] = [answer(place(1, 1)), answer(place(3, 2))];
  for (let i = 1; i < 5; i++)
    for (let j = 1; j < 5; j++) assert.ok(Math.abs(one[i * 8 + j]! - other[(i + 2) * 8 + j + 1]!) < 1e-6, `the answer moves along at ${i}, ${j}`);
});

test('without rows there is nothing, and the checkpoint can end the work', () => {
  const source = fullRows(Uint8Array.of(1, 2), 1, 2);
  const queries = { x: Float64Array.of(0, 0), alpha: Float64Array.of(1), divisors: Float64Array.of(1), sides: [1] };
  const empty = equivariantPosterior(source, queries, [new Uint32Array(0)], [1, 1, 2], () => {});
  assert.deepEqual([empty.rows[0], empty.maxLogit[0], empty.mass[1]], [0, -Infinity, 0]);
  const stop = (): never => {
    throw new Error('left');
  };
  assert.throws(() => equivariantPosterior(source, queries, [undefined], [1, 1, 2], stop), /left/);
});
