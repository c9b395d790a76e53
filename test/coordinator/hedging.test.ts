import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hedging } from '../../coordinator/hedging.js';
import { HEDGE_COLD_DELAY_MS, HEDGE_SAMPLES_MIN, HEDGE_TOKENS_SAVED } from '../../shared/limits.js';
import { createMetrics } from '../../shared/metrics.js';

const share = (workerId: string, ms: number, givenUp = false) => ({ workerId, ms, givenUp });

test('an answer is late beyond the percentile of its kind, and never before the least delay', () => {
  const hedging = new Hedging({ budgetPercent: 5, percentile: 95, delayMsMin: 20 });
  for (let i = 0; i < HEDGE_SAMPLES_MIN; i++) hedging.note('long', [share('a', 100 + i), share('b', 100 + i)], i);
  for (let i = 0; i < HEDGE_SAMPLES_MIN; i++) hedging.note('short', [share('a', 1)], i);
  assert.ok(hedging.delayMs('long', 2)! >= 100 + 0.9 * HEDGE_SAMPLES_MIN);
  assert.equal(hedging.delayMs('short', 1), 20);
  assert.equal(hedging.delayMs('never seen', 2), HEDGE_COLD_DELAY_MS);
  assert.equal(hedging.delayMs('never seen', 1), undefined);
});

test('without a budget nobody looks for late answers', () => {
  const hedging = new Hedging({ budgetPercent: 0, percentile: 95, delayMsMin: 1 });
  for (let i = 0; i < HEDGE_SAMPLES_MIN; i++) hedging.note('k', [share('a', 1)], i);
  assert.equal(hedging.delayMs('k', 2), undefined);
  assert.equal(hedging.take(), false);
});

test('hedges, wins and those that were not made are counted, and the tokens shown', async () => {
  const metrics = createMetrics('coordinator');
  const hedging = new Hedging({ budgetPercent: 10, percentile: 95, delayMsMin: 1 }, metrics);
  for (let i = 0; i < HEDGE_TOKENS_SAVED; i++) assert.ok(hedging.take());
  assert.equal(hedging.take(), false);
  hedging.denied('budget');
  hedging.denied('replicas');
  hedging.won();
  hedging.note(
    'k',
    Array.from({ length: 5 }, (_, i) => share(`w${i}`, 1)),
    0,
  );
  const text = await metrics.registry.metrics();
  assert.match(text, /golddiff_coordinator_hedges_total 10/);
  assert.match(text, /golddiff_coordinator_hedge_wins_total 1/);
  assert.match(text, /golddiff_coordinator_hedges_denied_total\{reason="budget"\} 1/);
  assert.match(text, /golddiff_coordinator_hedges_denied_total\{reason="replicas"\} 1/);
  assert.match(text, /golddiff_coordinator_hedge_tokens 0\.5/);
});

test('what was asked, how long each worker took and how long the slowest kept the others are observed', async () => {
  const metrics = createMetrics('coordinator');
  const hedging = new Hedging({ budgetPercent: 5, percentile: 95, delayMsMin: 1 }, metrics);
  hedging.note('k', [share('a', 10), share('b', 12), share('c', 212)], 0, 'SUMS');
  hedging.note('k', [share('a', 10)], 1, 'SUMS');
  const text = await metrics.registry.metrics();
  assert.match(text, /golddiff_coordinator_worker_answer_duration_seconds_count\{stage="SUMS"\} 4/);
  assert.match(text, /golddiff_coordinator_straggler_wait_seconds_count\{stage="SUMS"\} 1/);
  assert.match(text, /golddiff_coordinator_straggler_wait_seconds_sum\{stage="SUMS"\} 0\.2\n/);
});

test('workers are compared with the others of their round, of which the lower half sets the measure', () => {
  const hedging = new Hedging({ budgetPercent: 5, percentile: 95, delayMsMin: 1 });
  for (let i = 0; i < 40; i++) hedging.note('k', [share('a', 50), share('b', 400, true)], i);
  assert.equal(hedging.latency.cost('a', 40), 1);
  assert.ok(hedging.latency.cost('b', 40) > 6);
});
