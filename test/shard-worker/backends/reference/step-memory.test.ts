import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StepMemory } from '../../../../shard-worker/backends/reference/step-memory.js';

test('bytes are taken up to the limit, counted together over all who share it, and given back', () => {
  const one = new StepMemory(10 * 4096);
  const other = new StepMemory(10 * 4096, one.shared);
  assert.equal(one.take(8 * 4096), true);
  assert.equal(other.take(3 * 4096), false);
  assert.equal(other.usedBytes, 8 * 4096);
  assert.equal(other.take(4097), true);
  assert.equal(one.take(1), false);
  one.give(8 * 4096);
  other.give(4097);
  assert.equal(one.usedBytes, 0);
  assert.throws(() => one.give(1), /given back/);
});

test('a limit of 0 takes nothing but nothing', () => {
  const memory = new StepMemory(0);
  assert.equal(memory.take(1), false);
  assert.equal(memory.take(0), true);
});
