import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkerFailure } from '../../coordinator/share-race.js';
import { attemptStep } from '../../coordinator/step-attempt.js';
import { eligibleRows, type StepPlan } from '../../coordinator/step-plan.js';
import { coverageOf } from '../../coordinator/step-assignments.js';
import { WorkerLink } from '../../coordinator/worker-link.js';
import { GolddiffError } from '../../shared/errors.js';
import type { Span } from '../../shared/tracing.js';
import { startBruteForceWorker } from './brute-force-worker.js';
import { randomDataSet, randomQueries } from './test-data.js';

const data = randomDataSet({ rows: 30, partitions: 3 });
const plan: StepPlan = {
  manifest: data.manifest,
  batch: 2,
  dim: 16,
  x: randomQueries(data, 2, 1, 0.5),
  xDtype: 'F64',
  alpha: new Float64Array(2).fill(1),
  sigma: new Float64Array(2).fill(0.5),
  temperature: 2,
  labels: undefined,
  eligible: eligibleRows(data.manifest, undefined, 2),
  golden: undefined,
  denoiser: { route: 'rows' },
  massRows: false,
  allowPartial: false,
};
const coverage = coverageOf(data.manifest, []);
const context = (remainingMs = Infinity) => ({ requestId: 'r', signal: new AbortController().signal, remainingMs: () => remainingMs });

test('an attempt counts its bytes, tells its phases and closes its steps', async (t) => {
  const worker = await startBruteForceWorker({ workerId: 'w', data });
  const link = new WorkerLink('w', worker.address);
  t.after(() => (link.close(), worker.stop()));
  const bytes = { sent: 0, received: 0 };
  const countBytes = (way: 'sent' | 'received', n: number): void => void (bytes[way] += n);
  const answer = await attemptStep(plan, 0, { assignments: [{ link, partitions: [0, 1, 2] }], coverage, countBytes }, context());
  assert.equal(bytes.sent, 2 * 16 * 8);
  assert.equal(bytes.received, 2 * 16 * 4);
  assert.deepEqual(answer.goldenRows, [30, 30]);
  assert.ok(answer.timings.aggregateMs > 0 && answer.timings.workerComputeMs === 2);
  assert.equal(link.openSteps, 0);
});

test('the failure of one worker ends the attempt on all and says which it was', async (t) => {
  const workers = await Promise.all(['a', 'b'].map((workerId) => startBruteForceWorker({ workerId, data })));
  const links = workers.map((w) => new WorkerLink(w.workerId, w.address));
  t.after(() => (links.forEach((l) => l.close()), workers.forEach((w) => w.stop())));
  workers[1]!.before = () => {
    throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
  };
  const assignments = [
    { link: links[1]!, partitions: [1] },
    { link: links[0]!, partitions: [0, 2] },
  ];
  await assert.rejects(attemptStep(plan, 0, { assignments, coverage }, context()), (error) => {
    assert.ok(error instanceof WorkerFailure);
    assert.deepEqual([error.workerId, error.error.code], ['b', 'LIMIT_EXCEEDED']);
    return true;
  });
  while (workers[0]!.closes === 0) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a step that fails sends the phase that failed, with the reason, beside those before it', async (t) => {
  const worker = await startBruteForceWorker({ workerId: 'w', data });
  const link = new WorkerLink('w', worker.address);
  t.after(() => (link.close(), worker.stop()));
  const lines: string[] = [];
  const spanOf = (name: string): Span => ({
    traceparent: '',
    exemplar: {},
    child: (child) => spanOf(`${name}/${child}`),
    end: (error) => void lines.push(error instanceof Error ? `${name}: ${error.message}` : name),
  });
  const traced = { ...context(), span: spanOf('step') };
  const assignments = [{ link, partitions: [0, 1, 2] }];
  await attemptStep(plan, 0, { assignments, coverage }, traced);
  const phases = ['scatter', 'screen', 'aggregate', 'merge', 'aggregate', 'merge'].map((phase) => `step/${phase}`);
  const ofPhases = (): string[] => lines.splice(0).filter((line) => line.split('/').length === 2);
  assert.deepEqual(ofPhases(), phases);
  worker.before = () => {
    throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
  };
  await assert.rejects(attemptStep(plan, 0, { assignments, coverage }, traced));
  assert.deepEqual(ofPhases(), ['step/scatter', 'step/screen', 'step/aggregate: no room']);
});

test('without time left nothing is sent', async (t) => {
  const link = new WorkerLink('w', '127.0.0.1:1');
  t.after(() => link.close());
  await assert.rejects(attemptStep(plan, 0, { assignments: [{ link, partitions: [0, 1, 2] }], coverage }, context(20)), {
    code: 'DEADLINE_EXCEEDED',
  });
});
