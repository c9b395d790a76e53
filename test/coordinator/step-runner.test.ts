import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClusterView } from '../../coordinator/step-assignments.js';
import type { PlacementDocument } from '../../shared/control-plane/control-plane.js';
import { GolddiffError } from '../../shared/errors.js';
import { bitsOf, bruteForce, context, counted, metrics, planOf, startCluster } from './steps-under-test.js';
import { randomDataSet } from './test-data.js';

test('a worker lost during a step is replaced by the other replica with the same bits', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 6 });
  const { runner, workers } = await startCluster(t, data, 3, { replicas: 2 });
  const expected = bitsOf(await runner.run(planOf(data, { retrieval: { kMin: 5, kMax: 9 } }), context()));
  let died = false;
  workers[1]!.before = () => {
    if (!died) workers[1]!.stop();
    died = true;
    return new Promise(() => {});
  };
  assert.equal(bitsOf(await runner.run(planOf(data, { retrieval: { kMin: 5, kMax: 9 } }), context())), expected);
  assert.ok(died);
});

test('a lost partition fails the step and is named, or is left out where the caller allows it', async (t) => {
  const data = randomDataSet({ rows: 120, partitions: 6 });
  const { runner, workers } = await startCluster(t, data, 3);
  workers[1]!.before = () => {
    workers[1]!.stop();
    return new Promise(() => {});
  };
  await assert.rejects(runner.run(planOf(data), context()), (error: GolddiffError) => {
    assert.equal(error.code, 'PARTITION_MISSING');
    assert.match(error.message, /partitions 1,4 of data set noise/);
    assert.deepEqual(error.data.partitions, [1, 4]);
    return true;
  });
  const plan = planOf(data, { allowPartial: true });
  const partial = await runner.run(plan, context());
  assert.deepEqual(partial.coverage, { rowsReached: 80, rowsTotal: 120, fraction: 80 / 120, missingPartitions: [1, 4] });
  const expected = bruteForce(data, plan, 0, (row) => row.id % 6 !== 1 && row.id % 6 !== 4);
  assert.ok(Math.abs(partial.logZ[0]! - expected.logZ) < 1e-9 * Math.abs(expected.logZ));
  const evidence = expected.logZ - Math.log(80) - (plan.dim / 2) * Math.log(2 * Math.PI * plan.sigma[0]! ** 2);
  assert.ok(Math.abs(partial.logEvidence[0]! - evidence) < 1e-9 * Math.abs(evidence));
  const golden = await runner.run(planOf(data, { allowPartial: true, retrieval: { kMin: 5, kMax: 9 } }), context());
  assert.ok(golden.goldenRows.every((rows) => rows >= 5 && rows <= 9));
  assert.equal(golden.tailMassKind, 'HEURISTIC');
});

test('a step waits a short time for a placement that covers the data set', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, dead } = await startCluster(t, data, 2, { placementWaitMs: 5_000 });
  dead.add('w1');
  setTimeout(() => dead.delete('w1'), 60);
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
});

test('cancelling a step closes it on every worker at once', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2);
  const abort = new AbortController();
  workers[0]!.before = () => {
    setTimeout(() => abort.abort(new GolddiffError('CANCELLED', 'enough')), 20);
    return new Promise(() => {});
  };
  await assert.rejects(runner.run(planOf(data), { ...context(), signal: abort.signal }), { code: 'CANCELLED', message: 'enough' });
  while (workers.some((w) => w.closes === 0)) await new Promise((resolve) => setTimeout(resolve, 5));
});

test('a failure that another worker cannot mend goes to the caller as it is', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2, { replicas: 2 });
  workers[0]!.before = () => {
    throw new GolddiffError('LIMIT_EXCEEDED', 'no room');
  };
  await assert.rejects(runner.run(planOf(data), context()), { code: 'LIMIT_EXCEEDED', message: 'no room' });
});

test('a worker of another epoch is passed over', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2, { replicas: 2 });
  workers[0]!.epoch = 9;
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
});

test('no time left is a deadline exceeded before any work', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner } = await startCluster(t, data, 1);
  await assert.rejects(runner.run(planOf(data), { ...context(), remainingMs: () => 1 }), { code: 'DEADLINE_EXCEEDED' });
});

test('a newer placement that a worker knows of is asked for, and the step goes on with it', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const documentAt = (epoch: number): PlacementDocument => ({
    dataSet: data.manifest.name,
    contentHash: 'content',
    epoch,
    partitions: data.manifest.partitions.map(({ id }) => ({ partition: id, replicas: [`w${id % 2}`] })),
  });
  let known = documentAt(1);
  const view: Partial<ClusterView> = {
    placement: () => known,
    changed: () => assert.fail('nothing is waited for'),
    refresh: async () => void (known = documentAt(Math.min(7, known.epoch + 2))),
  };
  const { runner, workers } = await startCluster(t, data, 2, { view });
  for (const worker of workers) worker.epoch = 7;
  const before = await counted('golddiff_coordinator_epoch_refreshes_total');
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
  assert.equal((await counted('golddiff_coordinator_epoch_refreshes_total')) - before, 3, 'from 1 by 3 and 5 to 7');
});

test('a worker that TLS refuses is replaced, and counted by that reason', async (t) => {
  const data = randomDataSet({ rows: 40, partitions: 4 });
  const { runner, workers } = await startCluster(t, data, 2, { replicas: 2 });
  workers[0]!.before = () => {
    throw new GolddiffError('TLS_FAILED', 'its certificate has expired');
  };
  assert.equal((await runner.run(planOf(data), context())).coverage.fraction, 1);
  const { values } = await metrics.retries.get();
  assert.ok(values.some(({ labels, value }) => labels.reason === 'tls' && value > 0));
  assert.ok(values.every(({ labels, value }) => labels.reason !== 'other' || value === 0));
});
