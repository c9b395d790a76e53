import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBackend } from '../../../shard-worker/backends/choose-backend.js';
import type { GolddiffError } from '../../../shared/errors.js';

test('auto takes the fastest that is available and says so', () => {
  assert.equal(chooseBackend('auto', { available: ['reference'] }).name, 'reference');
  const choice = chooseBackend('auto', { available: ['reference', 'native'] });
  assert.equal(choice.name, 'native');
  assert.match(choice.reason, /auto: .*reference, native/);
});

test('a named backend is taken where it is available', () => {
  assert.deepEqual(chooseBackend('reference', { available: ['reference', 'cuda'] }), {
    name: 'reference',
    reason: 'asked for',
    degraded: false,
  });
});

test('a named backend that is missing is refused with the next step', () => {
  for (const wish of ['native', 'cuda', 'tfjs'] as const) {
    assert.throws(
      () => chooseBackend(wish, { available: ['reference'] }),
      (error: GolddiffError) => error.code === 'BACKEND_MISSING' && error.message.includes(wish) && error.message.includes('--backend reference'),
    );
  }
});

test('a faster backend that should be there and is not makes the choice a degraded one, with its reason', () => {
  const missing = { native: 'the addon does not load' };
  const choice = chooseBackend('auto', { available: ['reference'], missing });
  assert.equal(choice.degraded, true);
  assert.match(choice.reason, /native is missing: the addon does not load$/);
  assert.equal(chooseBackend('auto', { available: ['cuda', 'reference'], missing }).degraded, false, 'a slower one that is missing does not matter');
  assert.throws(() => chooseBackend('native', { available: ['reference'], missing }), /\(the addon does not load\)/);
});
