import assert from 'node:assert/strict';
import { JobRecords } from '../../../../shared/control-plane/nats/job-records.js';
import { natsTest } from '../../../support/nats-sessions.js';

const fresh = { jobId: 'j', number: 1, state: 'queued', deliveries: 0, submittedUnixMs: 5, changedUnixMs: 5, revision: 1 } as const;

natsTest('loses no change of several writers', async (open) => {
  const records = [await JobRecords.open(await open()), await JobRecords.open(await open())];
  const made = await Promise.all(records.map((r) => r.create(fresh)));
  assert.deepEqual(made[0], made[1]);
  await Promise.all(Array.from({ length: 12 }, (_, i) => records[i % 2]!.update('j', ({ deliveries }) => ({ deliveries: deliveries + 1 }))));
  const { job } = (await records[0]!.get('j'))!;
  assert.deepEqual([job.deliveries, job.revision], [12, 13]);
  assert.equal(await records[0]!.update('j', () => undefined), undefined);
  assert.equal(await records[0]!.update('none', () => ({})), undefined);
  assert.deepEqual(await records[1]!.list(), [job]);
  records.forEach((r) => r.close());
});
