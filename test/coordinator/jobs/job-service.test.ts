import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import type { Job__Output } from '../../../proto/generated/golddiff/v1/Job.js';
import type { ListJobsResponse__Output } from '../../../proto/generated/golddiff/v1/ListJobsResponse.js';
import type { SampleImages__Output } from '../../../proto/generated/golddiff/v1/SampleImages.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';
import { answerOf, collect, floatsOf, runCoordinator } from '../running-coordinator.js';
import { randomDataSet } from '../test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });

test('a job over the wire: submitted once, watched to its end, listed in pages, its images those of a sampling run', async (t) => {
  const { service, sample } = await runCoordinator(t, data);
  const client = new protoPackage.JobService(service.ready.address, credentials.createInsecure());
  t.after(() => client.close());
  const submit = (idempotencyKey: string, seed: number): Promise<Job__Output> =>
    answerOf((done) => client.Submit({ idempotencyKey, request: { count: 5, steps: 3, batchRows: 2, seed } }, done));
  const { jobId } = await submit('a', 1);
  assert.equal((await submit('a', 1)).jobId, jobId);
  await assert.rejects(submit('a', 2), { code: 'ALREADY_EXISTS' });
  const seen = await collect<Job__Output>(client.Watch({ jobId }));
  const last = seen.at(-1)!;
  assert.deepEqual([last.state, last.evaluationsDone, last.evaluationsTotal, last.idempotencyKey], ['SUCCEEDED', 15, 15, 'a']);
  assert.ok(seen.every((job, i) => i === 0 || job.evaluationsDone >= seen[i - 1]!.evaluationsDone));
  assert.equal(last.request?.count, 5);

  const images = (await collect<SampleImages__Output>(client.Result({ jobId }))).flatMap((piece) => [...floatsOf(piece.images!.data)]);
  const run = await sample({ count: 5, steps: 3, seed: 1 });
  assert.deepEqual(
    images,
    run.flatMap((event) => (event.images ? [...floatsOf(event.images.images!.data)] : [])),
  );

  for (const key of ['b', 'c']) await collect(client.Watch({ jobId: (await submit(key, 1)).jobId }));
  const list = (pageSize: number, pageToken = ''): Promise<ListJobsResponse__Output> =>
    answerOf((done) => client.List({ pageSize, pageToken }, done));
  const first = await list(2);
  const second = await list(2, first.nextPageToken);
  assert.deepEqual(
    [...first.jobs, ...second.jobs].map((job) => job.idempotencyKey),
    ['c', 'b', 'a'],
  );
  assert.equal(second.nextPageToken, '');
  await assert.rejects(list(1, 'none'), { code: 'ARGUMENT_INVALID', message: /page_token/ });
});

test('what is not there, not done or wrong is refused', async (t) => {
  const { service } = await runCoordinator(t, data);
  const client = new protoPackage.JobService(service.ready.address, credentials.createInsecure());
  t.after(() => client.close());
  const jobId = 'none';
  const calls = [
    answerOf((done) => client.Get({ jobId }, done)),
    answerOf((done) => client.Cancel({ jobId }, done)),
    collect(client.Watch({ jobId })),
    collect(client.Result({ jobId })),
  ];
  for (const call of calls) await assert.rejects(call, { code: 'NOT_FOUND' });
  await assert.rejects(
    answerOf((done) => client.Submit({ idempotencyKey: '', request: { count: 1 } }, done)),
    { code: 'ARGUMENT_INVALID', message: /idempotency_key/ },
  );
  const job = await answerOf<Job__Output>((done) => client.Submit({ idempotencyKey: 'long', request: { count: 500, steps: 50 } }, done));
  await assert.rejects(collect(client.Result({ jobId: job.jobId })), { code: 'JOB_NOT_DONE' });
  assert.equal((await answerOf<Job__Output>((done) => client.Cancel({ jobId: job.jobId }, done))).state, 'CANCELLED');
});
