import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { JobRunner } from '../../../coordinator/jobs/job-runner.js';
import { encodeJob } from '../../../coordinator/jobs/job-request.js';
import type { ControlPlane, JobRecord } from '../../../shared/control-plane/control-plane.js';
import { createInProcessControlPlane } from '../../../shared/control-plane/in-process.js';
import { GolddiffError } from '../../../shared/errors.js';
import { createLogger } from '../../../shared/log.js';
import { createMetrics } from '../../../shared/metrics.js';
import { randomDataSet } from '../test-data.js';
import { submission } from './requests.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4 });

function running(
  t: TestContext,
  run: () => Promise<never>,
): {
  plane: ControlPlane;
  runner: JobRunner;
  counted: (metric: 'jobDeliveries' | 'jobRuns') => Promise<Record<string, number>>;
  state: (jobId: string, ...wanted: JobRecord['state'][]) => Promise<JobRecord>;
} {
  const plane = createInProcessControlPlane();
  const metrics = createMetrics('coordinator');
  const runner = new JobRunner({ controlPlane: plane, manifest, scheduler: { run }, log: createLogger('test', 'silent'), metrics });
  const counted = async (metric: 'jobDeliveries' | 'jobRuns'): Promise<Record<string, number>> =>
    Object.fromEntries(
      (await metrics[metric].get()).values.filter(({ value }) => value > 0).map(({ labels, value }) => [String(Object.values(labels)[0]), value]),
    );
  t.after(async () => {
    await runner.stop();
    await plane.close();
  });
  const state = async (jobId: string, ...wanted: JobRecord['state'][]): Promise<JobRecord> => {
    for (;;) {
      const job = (await plane.jobs.get(jobId))!;
      if (wanted.includes(job.state)) return job;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { plane, runner, counted, state };
}
const payload = (count: number): Uint8Array => {
  const { idempotencyKey: key, request } = submission('k', { count });
  return encodeJob({ key, request: request! });
};

test('a job that cannot succeed fails with its reason, and the next one is taken', async (t) => {
  const { plane, runner, counted, state } = running(t, () => Promise.reject(new GolddiffError('ARGUMENT_INVALID', 'no answer for x[3]')));
  await plane.jobs.submit('bad step', payload(2));
  await plane.jobs.submit('no request', new Uint8Array(0));
  runner.start();
  assert.equal((await state('bad step', 'failed')).failure, 'no answer for x[3]');
  assert.match((await state('no request', 'failed')).failure ?? '', /still kept/);
  await runner.stop();
  assert.deepEqual([await counted('jobDeliveries'), await counted('jobRuns')], [{ first: 2 }, { failed: 2 }]);
});

test('a coordinator that stops gives its job back', async (t) => {
  let began = (): void => {};
  const first = new Promise<void>((resolve) => (began = resolve));
  const { plane, runner, counted, state } = running(t, () => {
    began();
    return new Promise((_, reject) => setTimeout(() => reject(new GolddiffError('CANCELLED', 'stopped')), 50));
  });
  await plane.jobs.submit('j', payload(2));
  runner.start();
  await first;
  await runner.stop();
  assert.deepEqual([(await state('j', 'queued')).deliveries], [1]);
  assert.deepEqual(await counted('jobRuns'), { given_back: 1 });
});

test('a fault of ours gives the job back, to be given up only after its last delivery', async (t) => {
  const { plane, runner, counted, state } = running(t, () => Promise.reject(new Error('bug')));
  await plane.jobs.submit('j', payload(2));
  runner.start();
  await state('j', 'running');
  for (;;) {
    const { deliveries, state: now } = (await plane.jobs.get('j'))!;
    assert.notEqual(now, 'failed');
    if (deliveries === 2) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  while ((await counted('jobDeliveries'))['again'] !== 1) await new Promise((resolve) => setTimeout(resolve, 20));
});
