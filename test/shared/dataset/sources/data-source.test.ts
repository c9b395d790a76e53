import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FETCH_FAILURES, FetchFailure } from '../../../../shared/dataset/sources/data-source.js';
import { COMMON_METRICS } from '../../../../shared/metrics.js';

test('a failure says what happened and whether to try again', () => {
  const failure = new FetchFailure('status', 'the server answered 503', true, 1_000, { cause: 'x' });
  assert.deepEqual(
    [failure.reason, failure.message, failure.retry, failure.retryAfterMs, failure.cause],
    ['status', 'the server answered 503', true, 1_000, 'x'],
  );
});

test('the help of the metric names every reason', () => {
  for (const reason of FETCH_FAILURES) assert.match(COMMON_METRICS.fetchErrors.help, new RegExp(`\\b${reason}\\b`));
});
