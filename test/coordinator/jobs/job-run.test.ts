import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { JobArtifacts } from '../../../coordinator/jobs/job-artifacts.js';
import { decodeProgress } from '../../../coordinator/jobs/job-progress.js';
import { planJob } from '../../../coordinator/jobs/job-request.js';
import { JobRun, LeaseLost } from '../../../coordinator/jobs/job-run.js';
import type { StepAnswer } from '../../../coordinator/step-answer.js';
import type { StepPlan } from '../../../coordinator/step-plan.js';
import type { ControlPlane } from '../../../shared/control-plane/control-plane.js';
import { createInProcessControlPlane } from '../../../shared/control-plane/in-process.js';
import { GolddiffError } from '../../../shared/errors.js';
import { createLogger } from '../../../shared/log.js';
import { randomDataSet } from '../test-data.js';
import { submission } from './requests.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4 });
const log = createLogger('test', 'silent');

/** Steps in closed form, at most `stepsMax` of them: then this process is as good as dead. */
function scheduler(stepsMax = Infinity, onStep: (step: number) => void = () => {}) {
  const counted = { steps: 0 };
  const run = (plan: StepPlan): Promise<StepAnswer> => {
    onStep(counted.steps);
    if (counted.steps++ >= stepsMax) return Promise.reject(new GolddiffError('INTERNAL', 'killed'));
    const zeros = Array.from({ length: plan.batch }, () => 0);
    return Promise.resolve({
      x0hat: plan.x.map((v, i) => Math.sin(3 * v + i) * 0.5),
      effectiveSupport: zeros,
      goldenRows: zeros,
      tailMassBound: zeros,
      tailMassKind: 'EXACT',
      logEvidence: zeros,
      coverage: { rowsReached: 40, rowsTotal: 40, fraction: 1, missingPartitions: [] },
      timings: { queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs: 0, mergeMs: 0, totalMs: 0, workerComputeMs: 0 },
    } as unknown as StepAnswer);
  };
  return { counted, run };
}

async function jobOf(t: TestContext, request: object): Promise<{ plane: ControlPlane; run: (steps: ReturnType<typeof scheduler>) => Promise<void> }> {
  const plane = createInProcessControlPlane();
  t.after(() => plane.close());
  await plane.jobs.submit('j', new Uint8Array(0));
  const plan = planJob(submission('k', request).request!, manifest);
  const run = async (steps: ReturnType<typeof scheduler>): Promise<void> => {
    const lease = (await plane.jobs.take(60_000, 1_000))!;
    const artifacts = new JobArtifacts(plane.artifacts, 'j');
    const signal = new AbortController().signal;
    await new JobRun({ plan, manifest, lease, artifacts, scheduler: steps, signal, log }).run().catch(async (thrown: unknown) => {
      await lease.release();
      throw thrown;
    });
  };
  return { plane, run };
}

for (const sampler of ['DDIM', 'DDPM', 'EDM_HEUN', 'EDM_EULER'] as const) {
  test(`wherever a run is broken off, and however often, the result is the same: ${sampler}`, async (t) => {
    const request = { count: 7, batchRows: 3, steps: 6, seed: 8, sampler };
    const whole = await jobOf(t, request);
    const undisturbed = scheduler();
    await whole.run(undisturbed);
    const expected = await new JobArtifacts(whole.plane.artifacts, 'j').result();
    assert.equal(expected?.length, 7 * 16);
    for (const stepsMax of [1, 5, 6, 7, 13, undisturbed.counted.steps - 1]) {
      const { plane, run } = await jobOf(t, request);
      await assert.rejects(run(scheduler(stepsMax)));
      await assert.rejects(run(scheduler(0)));
      const last = scheduler();
      await run(last);
      assert.deepEqual(await new JobArtifacts(plane.artifacts, 'j').result(), expected);
      assert.ok(last.counted.steps <= undisturbed.counted.steps);
      // At most a checkpoint's steps, of two scores each with Heun, are done again.
      assert.ok(stepsMax + last.counted.steps <= undisturbed.counted.steps + 10, `${last.counted.steps} steps after ${stepsMax}`);
      const job = await plane.jobs.get('j');
      assert.equal(job?.state, 'succeeded');
      const progress = decodeProgress(job?.progress)!;
      assert.deepEqual([progress.evaluationsDone, progress.expiresUnixMs > Date.now()], [progress.evaluationsTotal, true]);
    }
  });
}

test('a run without its early batches starts from the beginning', async (t) => {
  const request = { count: 4, batchRows: 2, steps: 6, seed: 8 };
  const { plane, run } = await jobOf(t, request);
  await assert.rejects(run(scheduler(9)));
  await plane.artifacts.delete('jobs/j/images/0');
  const steps = scheduler();
  await run(steps);
  assert.equal(steps.counted.steps, 12);
});

test('a job whose result is there already is only ended', async (t) => {
  const { plane, run } = await jobOf(t, { count: 2, steps: 2 });
  const job = plane.jobs as { take: ControlPlane['jobs']['take'] };
  const take = job.take.bind(plane.jobs);
  // The taker dies between the result and the end of the job.
  job.take = async (...args) => {
    const lease = (await take(...args))!;
    return { ...lease, succeed: () => Promise.reject(new Error('killed')) };
  };
  await assert.rejects(run(scheduler()), /killed/);
  job.take = take;
  const steps = scheduler();
  await run(steps);
  assert.deepEqual([(await plane.jobs.get('j'))?.state, steps.counted.steps], ['succeeded', 0]);
});

test('partitions that are missing for a while are waited for, and a cancelled job is left', async (t) => {
  const { plane, run } = await jobOf(t, { count: 2, steps: 3 });
  let failures = 1;
  await run(
    scheduler(Infinity, () => {
      if (failures-- > 0) throw new GolddiffError('PARTITION_MISSING', 'No live worker holds partition 0');
    }),
  );
  assert.equal((await plane.jobs.get('j'))?.state, 'succeeded');
  const other = await jobOf(t, { count: 2, steps: 3 });
  await assert.rejects(other.run(scheduler(Infinity, (step) => void (step === 0 && other.plane.jobs.cancel('j')))), LeaseLost);
  assert.equal((await other.plane.jobs.get('j'))?.state, 'cancelled');
});
