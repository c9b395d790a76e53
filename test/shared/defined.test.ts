import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defined } from '../../shared/defined.js';

test('what is undefined is left out, and nothing else', () => {
  const given: { a: number; b: string | undefined; c: null; d: string | undefined } = { a: 0, b: undefined, c: null, d: '' };
  const kept: { a: number; b?: string; c: null; d?: string } = defined(given);
  assert.deepEqual(kept, { a: 0, c: null, d: '' });
  assert.ok(!('b' in kept));
});
