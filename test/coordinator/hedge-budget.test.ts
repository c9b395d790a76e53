import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HedgeBudget } from '../../coordinator/hedge-budget.js';

test('hedges are a share of the requests beyond those that were saved up', () => {
  const budget = new HedgeBudget(0.05, 10);
  let taken = 0;
  for (let request = 0; request < 2_000; request++) {
    budget.earn(1);
    while (budget.take()) taken++;
  }
  assert.ok(Math.abs(taken - 110) <= 1, String(taken));
});

test('no more are saved than the limit, and without a share there are none', () => {
  const budget = new HedgeBudget(0.5, 3);
  budget.earn(1_000);
  assert.equal(budget.tokens, 3);
  assert.deepEqual(
    [1, 2, 3, 4].map(() => budget.take()),
    [true, true, true, false],
  );
  const none = new HedgeBudget(0, 3);
  none.earn(1_000);
  assert.deepEqual([none.take(), none.tokens], [false, 0]);
});
