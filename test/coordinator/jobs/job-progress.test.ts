import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProgress, encodeProgress } from '../../../coordinator/jobs/job-progress.js';

test('progress comes back as it was, and none is none', () => {
  const progress = { evaluationsDone: 3, evaluationsTotal: 10, startedUnixMs: 5, expiresUnixMs: 0 };
  assert.deepEqual(decodeProgress(encodeProgress(progress)), progress);
  assert.equal(decodeProgress(undefined), undefined);
});
