import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leftOut, share, type BoundedValue } from '../../coordinator/grouped-bound.js';

const RANGE = { low: -1, high: 1 };

/** A generator with a state of its own. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

test('the bound holds for any rows, levels and subsets, also the worst, and says something where the noise is low', (t) => {
  const random = randomOf(41);
  let tightest = Infinity;
  let loosest = 0;
  for (let round = 0; round < 4000; round++) {
    const alpha = 0.05 + 0.95 * random();
    const sigma = 10 ** (-2.5 + 3 * random());
    const temperature = 0.5 + random();
    const votes = round % 4 > 0;
    const rows = Array.from({ length: 2 + Math.floor(random() * 30) }, () => {
      const y = Math.floor(random() * 256) / 127.5 - 1;
      // What other voters add to the distance; often nothing.
      return { y, other: random() < 0.5 ? 0 : random() * 4 * sigma ** 2 };
    });
    const x = alpha * rows[0]!.y + sigma * (random() + random() - 1) * 3;
    const logit = ({ y, other }: (typeof rows)[0]): number => -((votes ? (x - alpha * y) ** 2 : 0) + other) / (2 * sigma ** 2 * temperature);
    const mean = (of: typeof rows): number => {
      const weights = of.map((row) => Math.exp(logit(row)));
      const mass = weights.reduce((a, w) => a + w, 0);
      return of.reduce((sum, { y }, i) => sum + (weights[i]! / mass) * y, 0);
    };
    const inside = 1 + Math.floor(random() * (rows.length - 1));
    // The subset is any: here, by turns, the lightest rows.
    const ordered = round % 2 === 0 ? rows : [...rows].sort((a, b) => logit(a) - logit(b));
    const subset = ordered.slice(0, inside);
    const mass = subset.reduce((sum, row) => sum + Math.exp(logit(row)), 0);
    if (!(mass > 1e-290)) continue;
    const value: BoundedValue = {
      logOutside: Math.log((rows.length - inside) / mass),
      mean: mean(subset),
      centre: x / alpha,
      width: (sigma * Math.sqrt(temperature)) / alpha,
      votes,
    };
    const bound = leftOut(value, RANGE);
    const error = Math.abs(mean(subset) - mean(rows)) / 2;
    assert.ok(bound >= error - 1e-12 && bound <= 1, `${bound} bounds ${error} (round ${round})`);
    if (error > 1e-6) tightest = Math.min(tightest, bound / error);
    if (votes && value.width < 0.01 && Math.abs(value.mean - value.centre) < 0.03) loosest = Math.max(loosest, bound);
  }
  t.diagnostic(`least bound over error ${tightest.toFixed(3)}; largest bound at little noise and an answer near the query ${loosest.toFixed(3)}`);
  assert.ok(loosest > 0 && loosest < 0.2);
});

test('most of the mass outside, and all of it alike: hardly an error at little noise, all of the range without a vote', () => {
  const value: BoundedValue = { logOutside: Math.log(10), mean: 0.5, centre: 0.5, width: 0.005, votes: true };
  assert.ok(leftOut(value, RANGE) < 0.02);
  // 10 / 11 of the mass over three quarters of the range.
  assert.equal(leftOut({ ...value, votes: false }, RANGE), ((10 / 11) * 1.5) / 2);
  // Of rows of any size no more is known than their share.
  assert.equal(leftOut(value, undefined), 10 / 11);
});

test('a query beyond the range weighs no row fully, no row outside is no error, and weights beyond doubles leave all open', () => {
  const beyond: BoundedValue = { logOutside: 0, mean: 1, centre: 3, width: 0.5, votes: true };
  assert.ok(leftOut(beyond, RANGE) <= share(-8));
  assert.equal(leftOut({ ...beyond, logOutside: -Infinity }, RANGE), 0);
  assert.equal(leftOut({ ...beyond, logOutside: Infinity }, RANGE), 1);
  assert.deepEqual([share(-Infinity), share(0), share(Infinity)], [0, 0.5, 1]);
});
