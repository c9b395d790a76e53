import assert from 'node:assert/strict';
import { test } from 'node:test';

import { repeated } from './repeat.js';

/** A clock that each step moves on by a fixed time. */
function clockedStep(ms: number) {
  let nowMs = 0;
  let calls = 0;
  const step = async (): Promise<number> => {
    nowMs += ms;
    return ++calls;
  };
  return { step, now: () => nowMs, calls: () => calls };
}

test('untimed steps come first, and timing ends at the number of repeats', async () => {
  const { step, now, calls } = clockedStep(10);
  const { times, values } = await repeated(step, { repeats: 3, budgetMs: 1_000 }, 2, now);
  assert.deepEqual(times, [10, 10, 10]);
  assert.deepEqual(values, [3, 4, 5], 'two went before');
  assert.equal(calls(), 5);
});

test('no step is begun after the budget, and one always runs', async () => {
  const { step, now } = clockedStep(10);
  assert.equal((await repeated(step, { repeats: 100, budgetMs: 25 }, 0, now)).times.length, 3);
  assert.equal((await repeated(step, { repeats: 100, budgetMs: 0 }, 0, now)).times.length, 1);
  assert.equal((await repeated(step, { repeats: 0, budgetMs: 100 }, 0, now)).times.length, 1);
});
