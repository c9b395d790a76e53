import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Places } from '../../shared/places.js';

test('no more run at once than there are places, and the rest comes in order', async () => {
  const places = new Places(3);
  const began: number[] = [];
  let running = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      places.run(async () => {
        began.push(i);
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve, (i * 7) % 5));
        running--;
      }),
    ),
  );
  assert.equal(most, 3);
  assert.deepEqual(
    began,
    [...began].sort((a, b) => a - b),
  );
});

test('work that fails gives its place back', async () => {
  const places = new Places(1);
  await assert.rejects(
    places.run(() => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  assert.equal(await places.run(() => Promise.resolve(7)), 7);
});
