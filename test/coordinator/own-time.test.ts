import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OwnTime } from '../../coordinator/own-time.js';

const busy = (ms: number): void => {
  const until = performance.now() + ms;
  while (performance.now() < until);
};
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('what it waits for is not its own time, whether it ends well or not', async () => {
  const wall = performance.now();
  const own = new OwnTime();
  busy(4);
  assert.equal(await own.away(() => sleep(60).then(() => 7)), 7);
  await assert.rejects(own.away(() => sleep(60).then(() => Promise.reject(new Error('no')))));
  busy(4);
  const seconds = own.take();
  const elapsed = (performance.now() - wall) / 1000;
  assert.ok(seconds >= 0.008 && seconds <= elapsed - 0.11, `${seconds} of ${elapsed}`);
});

test('what was taken is not taken again', () => {
  const own = new OwnTime();
  busy(4);
  const first = own.take();
  const wall = performance.now();
  const second = own.take();
  assert.ok(first >= 0.004 && second <= (performance.now() - wall) / 1000 + 0.001, `${first} ${second}`);
});
