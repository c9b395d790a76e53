import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerLatency, fadedSlowness, nextSlowness } from '../../coordinator/worker-latency.js';
import { GIVEN_UP_FOR_MS, GIVEN_UP_FOR_MS_MAX, SLOWNESS_HALF_LIFE_MS, SLOWNESS_IGNORED, SLOWNESS_MAX } from '../../shared/limits.js';

test('the average goes to how many times slower a worker is, and no further than the limit', () => {
  let slowness = 1;
  for (let i = 0; i < 60; i++) slowness = nextSlowness(slowness, 395, 95);
  assert.ok(Math.abs(slowness - 4) < 1e-4, String(slowness));
  for (let i = 0; i < 60; i++) slowness = nextSlowness(slowness, 1e9, 1);
  assert.ok(slowness <= SLOWNESS_MAX);
});

test('short times are not compared closer than two wake-ups can be, and a worker that was given up weighs more', () => {
  assert.ok(nextSlowness(1, 0.6, 0.1) < 1.03);
  assert.ok(nextSlowness(1, 100, 10, true) > nextSlowness(1, 100, 10));
});

test('a worker that was given up is left alone, for twice as long each time, until it answers', () => {
  const latency = new WorkerLatency();
  const givenUp = (nowMs: number): void => latency.note('w', 50, 50, nowMs, true);
  const alone = (nowMs: number): boolean => latency.cost('w', nowMs) === SLOWNESS_MAX;
  givenUp(0);
  givenUp(10);
  assert.deepEqual([alone(GIVEN_UP_FOR_MS - 1), alone(GIVEN_UP_FOR_MS)], [true, false], 'two at once count as one');
  givenUp(1_000);
  assert.deepEqual([alone(1_000 + 2 * GIVEN_UP_FOR_MS - 1), alone(1_000 + 2 * GIVEN_UP_FOR_MS)], [true, false]);
  for (let i = 1; i < 20; i++) givenUp(i * 100_000);
  assert.equal(alone(1_900_000 + GIVEN_UP_FOR_MS_MAX), false);
  latency.note('w', 50, 50, 1_900_001);
  assert.equal(alone(1_900_002), false, 'it answered');
});

test('what is not renewed fades by halves', () => {
  assert.equal(fadedSlowness(9, 0), 9);
  assert.equal(fadedSlowness(9, SLOWNESS_HALF_LIFE_MS), 5);
  assert.ok(fadedSlowness(9, 20 * SLOWNESS_HALF_LIFE_MS) < 1.001);
});

test('a row costs more on a slow worker until that is forgotten, and a small difference is none', () => {
  const latency = new WorkerLatency();
  assert.equal(latency.cost('new', 0), 1);
  for (let i = 0; i < 50; i++) {
    latency.note('slow', 300, 50, i);
    latency.note('usual', 60, 50, i);
  }
  assert.ok(latency.cost('slow', 50) > 5);
  assert.equal(latency.cost('usual', 50), 1);
  assert.equal(latency.cost('slow', 50 + 10 * SLOWNESS_HALF_LIFE_MS), 1);
  assert.ok(latency.cost('slow', 50 + SLOWNESS_HALF_LIFE_MS) > SLOWNESS_IGNORED);
  latency.keepOnly(new Set(['usual']));
  assert.equal(latency.cost('slow', 50), 1);
});

test('the slowest is told, faded by the time since, and nobody known is nobody slow', () => {
  const latency = new WorkerLatency();
  assert.equal(latency.slowest(0), 1);
  latency.note('usual', 50, 50, 0);
  for (let i = 0; i < 40; i++) latency.note('slow', 500, 50, i);
  const now = latency.slowest(40);
  const later = latency.slowest(60_000);
  assert.ok(now > 4 && later < 1.1, `${now} ${later}`);
  latency.keepOnly(new Set(['usual']));
  assert.equal(latency.slowest(40), 1);
});
