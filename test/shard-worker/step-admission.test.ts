import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StepAdmission } from '../../shard-worker/step-admission.js';
import type { GolddiffError } from '../../shared/errors.js';

test('steps beyond the limit are told when to come again, and a place is given back once', () => {
  const admission = new StepAdmission(2, 100);
  const leave = admission.enter(10);
  admission.enter(10);
  assert.throws(
    () => admission.enter(10),
    (error: GolddiffError) => error.code === 'QUEUE_FULL' && error.data.retryAfterMs! > 0,
  );
  leave();
  leave();
  assert.equal(admission.openSteps, 1);
});

test('queries that do not fit now are told to wait, and those that never fit are refused', () => {
  const admission = new StepAdmission(10, 100);
  admission.enter(60);
  assert.throws(
    () => admission.enter(60),
    (error: GolddiffError) => error.code === 'QUEUE_FULL',
  );
  assert.throws(
    () => admission.enter(101),
    (error: GolddiffError) => error.code === 'LIMIT_EXCEEDED' && !error.retryable,
  );
  admission.enter(40);
});
