/** A worker that has let a support set go says so, gets it again, and the step ends as if nothing had been. */

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { DataSetStatistics } from '../../coordinator/statistics/data-set-statistics.js';
import type { ClusterView } from '../../coordinator/step-assignments.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { StepRunner } from '../../coordinator/step-runner.js';
import { WorkerLinks } from '../../coordinator/worker-links.js';
import { SupportStore } from '../../shard-worker/support-store.js';
import { createLogger } from '../../shared/log.js';
import { writeSmallDataSet } from '../shared/dataset/small-data-set.js';
import { WorkerUnderTest } from '../shard-worker/worker-under-test.js';
import { randomSource } from '../coordinator/test-data.js';

const D = 12;
const ROWS = 40;

test('a set that was dropped is sent again', async (t) => {
  const random = randomSource(8);
  const values = Uint8Array.from({ length: ROWS * D }, (_, i) => Math.floor(random() * 100) + (i % D) * 5);
  const { dir, manifest } = await writeSmallDataSet({ shape: [1, 3, 4], values, partitions: [Array.from({ length: ROWS }, (_, i) => i)] });
  // Room for one set at a time.
  const supports = new SupportStore(4 * (3 + D + 1 + 2 * D * 4));
  const worker = await WorkerUnderTest.start({ dataDirs: [dir], computeThreads: 1, supports });
  await worker.assign({ dataSet: manifest.name, contentHash: manifest.contentHash, epoch: 1, partitions: [0] });
  const cluster: ClusterView = {
    placement: () => ({ dataSet: manifest.name, contentHash: manifest.contentHash, epoch: 1, partitions: [{ partition: 0, replicas: ['w'] }] }),
    addressOf: () => worker.server.address,
    changed: () => Promise.resolve(),
    suspect: () => assert.fail('the worker is well'),
    refresh: () => Promise.resolve(),
  };
  const links = new WorkerLinks();
  const log = createLogger('test', 'silent');
  const statistics = new DataSetStatistics({ dataSet: { manifest, dir }, cluster, links, log, placementWaitMs: 0 });
  t.after(async () => {
    links.close();
    await statistics.close();
    await worker.close();
    await rm(dir, { recursive: true, force: true });
  });
  const runner = new StepRunner({ cluster, links, statistics, log, placementWaitMs: 0 });
  const planOf = (ratio: number): StepPlan => ({
    manifest,
    batch: 1,
    dim: D,
    x: Float64Array.from({ length: D }, (_, p) => Math.sin(p)),
    xDtype: 'F64',
    alpha: Float64Array.of(1),
    sigma: Float64Array.of(Math.sqrt(ratio)),
    temperature: 1,
    labels: undefined,
    eligible: Float64Array.of(ROWS),
    golden: undefined,
    denoiser: { route: 'groups', groups: D, precisions: [{ kind: 'locality', ratio, threshold: 0.02 }], of: Uint32Array.of(0) },
    massRows: false,
    allowPartial: false,
  });
  const context = { requestId: 'test', signal: new AbortController().signal, remainingMs: () => Infinity };
  const first = await runner.run(planOf(0.5), context);
  const names = new Set<string>();
  for (const ratio of [0.5, 0.01]) names.add((await statistics.locality(ratio, 0.02, context.signal)).sha256);
  assert.equal(names.size, 2);
  await runner.run(planOf(0.01), context);
  const [dropped] = names;
  assert.equal(supports.get(dropped!), undefined, 'the second set drove the first one out');
  const again = await runner.run(planOf(0.5), context);
  assert.deepEqual(again.x0hat, first.x0hat);
  assert.notEqual(supports.get(dropped!), undefined);
});
