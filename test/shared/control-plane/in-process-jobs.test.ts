import assert from 'node:assert/strict';
import { it } from 'node:test';
import { InProcessJobs } from '../../../shared/control-plane/in-process-jobs.js';

it('counts a lease that ends in silence as a delivery, and fails the job after the last', async () => {
  let now = 0;
  const jobs = new InProcessJobs(() => now);
  await jobs.submit('poison', new Uint8Array([1]));
  for (let delivery = 1; delivery <= 2; delivery++) {
    assert.equal((await jobs.take(10, 2))?.job.deliveries, delivery);
    now += 11;
  }
  assert.equal(await jobs.take(10, 2), undefined);
  assert.equal((await jobs.get('poison'))?.state, 'failed');
});

it('pages after an unknown job are empty', async () => {
  const jobs = new InProcessJobs(() => 0);
  await jobs.submit('a', new Uint8Array());
  assert.deepEqual(await jobs.list(10, 'unknown'), []);
});
