import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentials } from '@grpc/grpc-js';
import type { ClusterStatus__Output } from '../../proto/generated/golddiff/v1/ClusterStatus.js';
import { describeCluster } from '../../coordinator/cluster-service.js';
import { ClusterState } from '../../coordinator/cluster-state.js';
import { createInProcessControlPlane } from '../../shared/control-plane/in-process.js';
import { GolddiffError } from '../../shared/errors.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { answerOf, runCoordinator } from './running-coordinator.js';
import { randomDataSet } from './test-data.js';

const data = randomDataSet({ rows: 60, partitions: 6 });

test('the state of a cluster names workers, holders, failures and the leader; a drained worker is emptied and gets work again', async (t) => {
  const { service } = await runCoordinator(t, data, { config: { replicas: 2 }, workers: 3, worker: { broken: [3] } });
  const client = new protoPackage.ClusterService(service.ready.address, credentials.createInsecure());
  t.after(() => client.close());
  const status = (): Promise<ClusterStatus__Output> => answerOf((done) => client.Status({}, done));
  const drain = (workerId: string, undo = false): Promise<ClusterStatus__Output> => answerOf((done) => client.Drain({ workerId, undo }, done));
  const placedOn = async (workerId: string): Promise<number> => (await status()).workers.find((w) => w.workerId === workerId)!.partitionsPlaced;

  const first = await status();
  assert.deepEqual([first.controlPlane, first.coordinator, first.leader, first.dataSet], ['in-process', 'c', 'c', 'noise']);
  assert.ok(Math.abs(first.coverage - 5 / 6) < 1e-12);
  assert.deepEqual(
    first.partitions.map((p) => p.replicas.length),
    [2, 2, 2, 0, 2, 2],
  );
  assert.equal(
    first.workers.reduce((sum, w) => sum + w.partitionsPlaced, 0),
    10,
  );

  assert.ok((await drain('w1')).workers.find((w) => w.workerId === 'w1')!.draining);
  while ((await placedOn('w1')) > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal((await status()).coverage, first.coverage);
  await drain('w1', true);
  while ((await placedOn('w1')) === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  await assert.rejects(drain('nobody'), { code: 'NOT_FOUND', message: /Expected one of the workers w0, w1, w2 for worker_id but received nobody/ });
});

test('the queue of jobs is told; a control plane that does not answer leaves the rest of the status as it was known', async (t) => {
  const plane = createInProcessControlPlane();
  t.after(() => plane.close());
  const cluster = new ClusterState(plane, data.manifest, () => {});
  await cluster.start();
  t.after(() => cluster.stop());
  const settings = { cluster, queue: { running: 1, waiting: 2 }, coordinator: 'c', replicas: 1 };
  await plane.jobs.submit('a', new Uint8Array(0));
  await plane.jobs.submit('b', new Uint8Array(0));
  const lease = await plane.jobs.take(60_000, 5);
  const told = await describeCluster({ ...settings, controlPlane: plane });
  const waiting = (await plane.jobs.get('b'))!;
  assert.equal(lease?.job.jobId, 'a');
  assert.deepEqual(told.jobs, {
    ...{ queued: 1, running: 1, succeeded: 0, failed: 0, cancelled: 0 },
    ...{ oldestQueuedUnixMs: waiting.submittedUnixMs, redeliveries: 0, deadLetters: 0 },
  });
  const failing = (error: Error) => ({
    ...plane,
    leadership: { ...plane.leadership, leader: () => Promise.reject(error) },
    jobs: { ...plane.jobs, queue: () => Promise.reject(error) },
  });
  const lost = await describeCluster({ ...settings, controlPlane: failing(new GolddiffError('CONTROL_PLANE_LOST', 'away')) });
  assert.deepEqual([lost.jobs, lost.leader, lost.stepsWaiting, lost.partitions?.length], [null, '', 2, 6]);
  await assert.rejects(describeCluster({ ...settings, controlPlane: failing(new Error('bug')) }), /bug/);
});
