/** Steps whose workers hang: what a hedge changes, which is the time alone. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hedging } from '../../coordinator/hedging.js';
import { bitsOf, context, counted, metrics, planOf, startCluster, VARIANTS } from './steps-under-test.js';
import { randomDataSet } from './test-data.js';

/** That hedges whatever is not at once there. */
function hasty(): Hedging {
  return new Hedging({ budgetPercent: 100, percentile: 50, delayMsMin: 1 }, metrics);
}

for (const { name, options } of VARIANTS) {
  test(`a worker that hangs at some request changes no bit, and is waited for no longer than a hedge takes: ${name}`, async (t) => {
    const data = randomDataSet({ rows: 240, partitions: 11, ties: true });
    const quiet = await startCluster(t, data, 1);
    const expected = bitsOf(await quiet.runner.run(planOf(data, options), context()));
    const { runner, workers } = await startCluster(t, data, 4, { replicas: 3, hedging: hasty() });
    for (let i = 0; i < 8; i++) assert.equal(bitsOf(await runner.run(planOf(data, options), context())), expected);
    const won = await counted('golddiff_coordinator_hedge_wins_total');
    let hung = 0;
    for (let i = 0; i < 12; i++) {
      const worker = workers[i % workers.length]!;
      let asked = 0;
      worker.before = () => {
        if (asked++ < i % 5) return undefined;
        hung++;
        return new Promise(() => {});
      };
      assert.equal(bitsOf(await runner.run(planOf(data, options), context())), expected);
      worker.before = () => {};
    }
    const wins = (await counted('golddiff_coordinator_hedge_wins_total')) - won;
    t.diagnostic(`${hung} requests were never answered, ${wins} hedges won`);
    assert.ok(hung > 0 && wins > 0);
  });
}

test('a worker that hangs at any request of a step is hedged there', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 12 });
  const { runner, workers } = await startCluster(t, data, 3, { replicas: 2, hedging: hasty() });
  const plan = planOf(data, { retrieval: { kMin: 5, kMax: 9 } });
  const expected = bitsOf(await runner.run(plan, context()));
  for (let i = 0; i < 20; i++) await runner.run(plan, context());
  const requests = 4;
  for (let hangsAt = 1; hangsAt <= requests; hangsAt++) {
    let seen = 0;
    workers[1]!.before = () => (++seen >= hangsAt ? new Promise(() => {}) : undefined);
    assert.equal(bitsOf(await runner.run(plan, context())), expected, `at request ${hangsAt}`);
    workers[1]!.before = () => {};
  }
});
