/** The fast part of `npm run test:scale-out`: the same assertions on a small data set, by the /metrics of real processes. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { importMnist } from '../support/data-sets.js';
import { batchCases } from './batches.js';
import { changeChecks } from './change-checks.js';
import { changeUnderJobs } from './changing-fleet.js';
import { strongChecks } from './checks.js';
import { measureSizes } from './sizes.js';

test('on 1, 2 and 4 workers one batch gives the same bytes, each worker has its share of the rows, and both ends count the same bytes', async (t) => {
  const dataDir = await importMnist(0, 1_600, 8);
  const cases = batchCases(4, [700]);
  const measured = await measureSizes({ dataDir, sizes: [1, 2, 4], cases, measure: { warmUpSteps: 1, steps: 3, budgetMs: 0 } });
  assert.equal(measured.length, 9);
  const checks = strongChecks(measured);
  for (const { method, workers, rowsByWorker, sentBytes, receivedBytes } of measured)
    t.diagnostic(
      `${method} on ${workers}: rows ${JSON.stringify(rowsByWorker)}, ${Math.round(sentBytes)} bytes sent, ${Math.round(receivedBytes)} received a step`,
    );
  assert.ok(checks.length >= 3 * (2 + 4 + 3 + 3), `${checks.length} checks`);
  assert.deepEqual(
    checks.filter(({ held }) => !held),
    [],
  );
});

test('1 to 3 to 2 workers while jobs run, with a static list of workers: the bytes of an undisturbed run, and no row without a holder', async (t) => {
  const report = await changeUnderJobs({
    dataDir: await importMnist(0, 1_600, 8),
    replicas: 1,
    sizes: [1, 3, 2],
    requests: [1, 2].map((seed) => ({ count: 32, steps: 10, seed, batchRows: 16, retrieval: { kind: 'golden' } })),
    restMs: 300,
  });
  for (const { from, to, startMs, endMs, epochs, evaluations, jobs } of report.changes)
    t.diagnostic(`${from} to ${to} in ${Math.round(endMs - startMs)} ms: ${epochs} epochs, ${jobs} jobs, ${evaluations} evaluations meanwhile`);
  assert.equal(report.controlPlane, 'in-process');
  assert.deepEqual(
    changeChecks(report).filter(({ held }) => !held),
    [],
  );
});
