import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again } from '../../shared/again.js';

const passing = new Error('not yet');

/** Fails with each of them in turn, then gives how often it was asked. */
function failing(...errors: Error[]): () => Promise<number> {
  let asked = 0;
  return () => (asked < errors.length ? Promise.reject(errors[asked++]!) : Promise.resolve(asked + 1));
}

test('what may pass is asked for again, what may not is thrown at once', async () => {
  const waits: unknown[] = [];
  const settings = { endMs: Infinity, everyMs: 1, while: (thrown: unknown) => thrown === passing, onWait: (thrown: unknown) => waits.push(thrown) };
  assert.equal(await again(failing(passing, passing), settings), 3);
  assert.deepEqual(waits, [passing, passing]);
  const wrong = new TypeError('bug');
  await assert.rejects(again(failing(passing, wrong), settings), wrong);
  assert.equal(waits.length, 3);
});

test('the time ends it with what was thrown last; none is one try, and the last one is made when it is over', async () => {
  let asked = 0;
  const never = (): Promise<never> => (asked++, Promise.reject(passing));
  const start = performance.now();
  await assert.rejects(again(never, { endMs: start, everyMs: 1, while: () => true }), passing);
  assert.equal(asked, 1);
  await assert.rejects(again(never, { endMs: performance.now() + 50, everyMs: 3_600_000, while: () => true }), passing);
  assert.equal(asked, 3);
});
