import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeChecks } from './change-checks.js';
import { strongChecks, weakChecks, type Check } from './checks.js';
import { generatedBatch, generatedChange } from './generated-figures.js';
import type { BatchMeasurement } from './measure-batch.js';

const sizes = [1, 2, 4];
const broken = (checks: readonly Check[]): string[] => checks.filter(({ held }) => !held).map(({ name }) => name);
/** A good run but for the figures of 4 workers. */
const strongWith = (more: Partial<BatchMeasurement>): string[] => broken(strongChecks(sizes.map((w) => generatedBatch(w, w === 4 ? more : {}))));

test('figures of a good run hold, on one data set and on growing ones', () => {
  assert.deepEqual(strongWith({}), []);
  assert.ok(strongChecks(sizes.map((w) => generatedBatch(w))).length >= 2 + 2 * sizes.length + 2 * 2 + sizes.length);
  const one = generatedBatch(1);
  assert.deepEqual(broken(weakChecks([one, generatedBatch(2)], [one])), []);
});

test('each check fails where its figures are wrong, and says on how many workers', () => {
  assert.deepEqual(strongWith({ digest: 'cd' }), ['golden, t = 700: the same bytes on 1, 2, 4 workers']);
  const proxy = [1_600, 1_600, 1_600, 1_600];
  assert.deepEqual(strongWith({ rowsByWorker: { proxy, sums: [100, 100, 100, 101] } }), [
    'golden, t = 700: all workers together look at the same rows',
  ]);
  assert.deepEqual(strongWith({ rowsByWorker: { proxy: [1_601, 1_599, 1_600, 1_600], sums: [100, 100, 100, 100] } }), [
    'golden, t = 700: 4 workers have 1/W of the rows each (proxy)',
  ]);
  assert.deepEqual(strongWith({ rowsByWorker: { proxy, sums: [340, 20, 20, 20] } }), [
    'golden, t = 700: 4 workers have about 1/W of the rows each (sums)',
  ]);
  assert.deepEqual(strongWith({ sentBytes: 50_000, workersReceivedBytes: 50_000 }), [
    'golden, t = 700: 4 workers, bytes sent at most 4 times those of 1',
  ]);
  assert.deepEqual(strongWith({ receivedBytes: 90_000, workersSentBytes: 90_000 }), [
    'golden, t = 700: 4 workers, bytes received at most 4 times those of 1',
  ]);
  assert.deepEqual(strongWith({ workersReceivedBytes: 39_999 }), [
    'golden, t = 700: what the coordinator sent and received is what 4 workers received and sent',
  ]);
  assert.deepEqual(broken(weakChecks([generatedBatch(2)], [])), ['golden, t = 700, 1600 rows: the same bytes on  workers']);
});

test('a change of the fleet is held to what jobs may expect', () => {
  assert.deepEqual(broken(changeChecks(generatedChange())), []);
  const good = generatedChange();
  const first = good.jobs[0]!;
  const wrong: [Partial<typeof good>, string][] = [
    [{ jobs: [{ ...first, equal: false }, ...good.jobs.slice(1)] }, 'every job ended with the bytes of an undisturbed run'],
    [{ jobs: [{ ...first, state: 'failed' }, ...good.jobs.slice(1)] }, 'every job ended with the bytes of an undisturbed run'],
    [{ jobs: [{ ...first, deliveries: 2 }, ...good.jobs.slice(1)] }, 'every job was taken up once'],
    [{ end: { ...good.end, deliveriesAgain: 1 } }, 'every job was taken up once'],
    [{ end: { ...good.end, jobsSucceeded: [3, 2] } }, 'every coordinator tells of all jobs that succeeded, and of no dead letter'],
    [{ end: { ...good.end, deadLetters: [0, 1] } }, 'every coordinator tells of all jobs that succeeded, and of no dead letter'],
    [{ moments: good.moments.map((m, i) => (i === 12 ? { ...m, coverage: 0.9 } : m)) }, 'every row had a holder at every look'],
    [{ end: { ...good.end, callsFailed: 1 } }, 'no call failed'],
    [{ end: { ...good.end, leaders: 2 } }, 'one coordinator leads'],
    [{ end: { ...good.end, epochs: [3, 2] } }, 'all coordinators and workers are at one epoch in the end'],
    [{ end: { ...good.end, epochSkews: [0, 1] } }, 'all coordinators and workers are at one epoch in the end'],
    [{ changes: good.changes.map((c) => ({ ...c, evaluations: c.to === 8 ? 0 : 5 })) }, '2 to 8 workers: jobs were under way, and went on'],
    [{ changes: good.changes.map((c) => ({ ...c, epochs: c.to === 3 ? 0 : 1 })) }, '8 to 3 workers: there is a newer placement'],
  ];
  for (const [more, name] of wrong) assert.deepEqual(broken(changeChecks(generatedChange(more))), [name]);
});
