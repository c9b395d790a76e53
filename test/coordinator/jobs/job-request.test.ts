import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkSubmission, decodeJob, encodeJob, jobIdOf, planJob } from '../../../coordinator/jobs/job-request.js';
import { randomDataSet } from '../test-data.js';
import { submission } from './requests.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4 });

test('a submission is checked as a run is, and comes back from its bytes', () => {
  const job = checkSubmission(submission('k', { count: 3, seed: 4 }), manifest);
  assert.deepEqual(decodeJob(encodeJob(job)), job);
  assert.deepEqual(encodeJob(job), encodeJob(checkSubmission(submission('k', { count: 3, seed: 4 }), manifest)));
  assert.notDeepEqual(encodeJob(job), encodeJob({ ...job, request: { ...job.request, seed: 5 } }));
  for (const wrong of [submission('', { count: 1 }), submission('x'.repeat(129), { count: 1 }), submission('k', null), submission('k', { count: 0 })])
    assert.throws(() => checkSubmission(wrong, manifest), { code: 'ARGUMENT_INVALID' });
  assert.throws(() => decodeJob(new Uint8Array(0)), { code: 'ARGUMENT_INVALID' });
});

test('one key is one id, and different keys are different ones', () => {
  assert.equal(jobIdOf('a'), jobIdOf('a'));
  assert.notEqual(jobIdOf('a'), jobIdOf('b'));
  assert.match(jobIdOf('any key, also with / and ü'), /^[0-9a-f]{32}$/);
});

test('where the search is left open it is the scan: an index may become ready between two tries', () => {
  for (const search of ['SEARCH_UNSPECIFIED', 'SEARCH_AUTO', 'SEARCH_SCAN', 'SEARCH_HNSW'] as const) {
    const { request } = submission('k', { count: 1, retrieval: { kind: 'GOLDEN', search } });
    assert.equal(planJob(request!, manifest).retrieval?.search, search === 'SEARCH_HNSW' ? 'SEARCH_HNSW' : 'SEARCH_SCAN');
  }
});

test('images beyond what can be put together in memory are refused', () => {
  const { request } = submission('k', { count: 65_536 });
  const wide = { ...manifest, shape: [3, 64, 64] as const };
  assert.throws(() => planJob(request!, wide), { code: 'ARGUMENT_INVALID', message: /request\.count/ });
});
