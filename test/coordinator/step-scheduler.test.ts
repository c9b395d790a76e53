import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdmissionQueue } from '../../coordinator/admission-queue.js';
import type { StepAnswer } from '../../coordinator/step-answer.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { StepScheduler } from '../../coordinator/step-scheduler.js';
import { GolddiffError } from '../../shared/errors.js';
import { createLogger } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { randomDataSet } from './test-data.js';

const plan = { alpha: [1], sigma: [0.002], eligible: [50] } as unknown as StepPlan;
const answer = (): StepAnswer =>
  ({
    goldenRows: [5],
    effectiveSupport: [2],
    tailMassBound: [0],
    tailMassKinds: ['EXACT'],
    tailMassKind: 'EXACT',
    timings: { totalMs: 3, queueMs: 0, scatterMs: 1, screenMs: 0, aggregateMs: 1, mergeMs: 1, workerComputeMs: 1 },
  }) as unknown as StepAnswer;
const call = (more: { signal?: AbortSignal; remainingMs?: number } = {}) => ({
  requestId: 'r',
  signal: more.signal ?? new AbortController().signal,
  remainingMs: () => more.remainingMs ?? Infinity,
  log: createLogger('test', 'silent'),
});

test('steps beyond the places wait, and their waiting is in the timings', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 4 });
  const metrics = createMetrics('coordinator');
  let running = 0;
  const run = async (): Promise<StepAnswer> => {
    assert.equal(++running, 1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    running--;
    return answer();
  };
  const scheduler = new StepScheduler({ run }, queue, metrics);
  const [first, second] = await Promise.all([scheduler.run(plan, call()), scheduler.run(plan, call())]);
  assert.equal(first.timings.queueMs, 0);
  assert.ok(second.timings.queueMs > 0 && second.timings.totalMs === 3 + second.timings.queueMs);
  assert.match(await metrics.registry.metrics(), /golddiff_coordinator_rows_scored_total 10/);
});

test('what an answer looks like is observed with its noise, and golden queries that took all rows are counted', async () => {
  const metrics = createMetrics('coordinator');
  const scheduler = new StepScheduler({ run: async () => answer() }, new AdmissionQueue({ runningMax: 1, waitingMax: 4 }), metrics);
  const golden = (subset: number, more: object = {}): StepPlan =>
    ({ ...plan, batch: 1, golden: { presample: [50], pool: [50], subset: [subset] }, ...more }) as unknown as StepPlan;
  await scheduler.run(golden(5), call());
  await scheduler.run(golden(50), call());
  const bounds = [0.5, 0.5, 0.5, 0];
  const whole = { x0hat: new Float64Array(1), logEvidence: [0], logZ: [0], maxWeight: [1], coverage: { missingPartitions: [] } };
  const run = async (): Promise<StepAnswer> => ({ ...answer(), ...whole, tailMassBound: [bounds.shift()!] }) as unknown as StepAnswer;
  const strict = new StepScheduler({ run }, new AdmissionQueue({ runningMax: 1, waitingMax: 4 }), metrics);
  const x = {
    x: new Float64Array(1),
    dim: 1,
    labels: undefined,
    denoiser: { route: 'rows' },
    manifest: randomDataSet({ rows: 50, partitions: 1 }).manifest,
  };
  await strict.run(golden(5, { ...x, alpha: [1e-9], golden: { ...golden(5).golden, queryIds: [0] }, maxTailMass: 0.1 }), call());
  scheduler.observe('serialise', 0.002);
  const text = await metrics.registry.metrics();
  for (const line of [
    'golddiff_coordinator_golden_rows_count{t="0-99"} 2',
    'golddiff_coordinator_effective_support_rows_count{t="900-999"} 1',
    'golddiff_coordinator_tail_mass_bound_count{kind="EXACT",t="0-99"} 2',
    'golddiff_coordinator_exact_fallbacks_total{reason="size"} 1',
    'golddiff_coordinator_exact_fallbacks_total{reason="budget"} 1',
    'golddiff_coordinator_step_phase_duration_seconds_count{phase="queue"} 3',
    'golddiff_coordinator_step_phase_duration_seconds_count{phase="serialise"} 1',
  ])
    assert.ok(text.includes(`${line}\n`), line);
});

test('a deadline that leaves no time is refused before the queue', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 0 });
  const scheduler = new StepScheduler({ run: async () => answer() }, queue);
  await assert.rejects(scheduler.run(plan, call({ remainingMs: 1 })), { code: 'DEADLINE_EXCEEDED' });
});

test('a failed step gives its place back, and a cancelled one tells why', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 0 });
  const failing = new StepScheduler({ run: () => Promise.reject(new GolddiffError('LIMIT_EXCEEDED', 'no')) }, queue);
  await assert.rejects(failing.run(plan, call()), { code: 'LIMIT_EXCEEDED' });
  assert.equal(queue.running, 0);
  const abort = new AbortController();
  const cancelled = new StepScheduler(
    {
      run: async () => {
        abort.abort(new GolddiffError('DEADLINE_EXCEEDED', 'late'));
        throw new GolddiffError('CANCELLED', 'closed');
      },
    },
    queue,
  );
  await assert.rejects(cancelled.run(plan, call({ signal: abort.signal })), { code: 'DEADLINE_EXCEEDED', message: 'late' });
});
