import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AdmissionQueue } from '../../coordinator/admission-queue.js';
import { observeCall, observeCluster, type ObservedCluster } from '../../coordinator/coordinator-metrics.js';
import type { JobQueue } from '../../shared/control-plane/control-plane.js';
import { createMetrics } from '../../shared/metrics.js';
import { randomDataSet } from './test-data.js';

const { manifest } = randomDataSet({ rows: 40, partitions: 4 });
const none: JobQueue = {
  byState: { queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 },
  oldestQueuedUnixMs: undefined,
  redeliveries: 0,
  deadLetters: 0,
};

function workerAt(workerId: string, epoch: number): ObservedCluster['cluster']['workers'][number] {
  const held = [{ dataSet: manifest.name, partition: 0, sha256: '', epoch }];
  const rest = { backend: 'reference', deviceMemoryBytes: 0, deviceMemoryUsedBytes: 0, openSteps: 0, draining: false };
  return { workerId, instanceId: workerId, address: 'h:1', held, ...rest };
}

function observed(more: Partial<ObservedCluster> & { readonly fraction?: () => number } = {}) {
  const metrics = createMetrics('coordinator');
  const holders: Record<number, string[]> = { 0: ['a', 'b'], 1: ['b'], 2: ['a', 'b', 'c'], 3: [] };
  const partitions = manifest.partitions.map(({ id }) => ({ partition: id, replicas: holders[id]! }));
  observeCluster(metrics, {
    cluster: {
      manifest,
      coverage: () => ({ rowsReached: 1, rowsTotal: 1, fraction: more.fraction?.() ?? 1, missingPartitions: [] }),
      workers: [workerAt('a', 7), workerAt('b', 5), workerAt('idle', 1)],
      placement: () => ({ dataSet: manifest.name, contentHash: '', epoch: 6, partitions }),
      replicasOf: (partition) => holders[partition]!.filter((id) => id !== 'c'),
    },
    queue: new AdmissionQueue({ runningMax: 3, waitingMax: 9 }),
    slownessMax: () => 2.5,
    leader: { leads: true },
    jobs: { queue: () => Promise.resolve(none) },
    replicas: 2,
    ...more,
  });
  const scrape = (): Promise<string> => metrics.registry.metrics();
  return { metrics, scrape };
}

function expectLines(text: string, lines: readonly string[]): void {
  const found = new Set(text.split('\n'));
  assert.deepEqual(
    lines.filter((line) => !found.has(line)),
    [],
  );
}

test('gauges are read when they are scraped and calls are counted by method and code', async () => {
  const queue = new AdmissionQueue({ runningMax: 1, waitingMax: 5 });
  let fraction = 1;
  const { metrics, scrape } = observed({ queue, fraction: () => fraction });
  const place = await queue.acquire();
  expectLines(await scrape(), ['golddiff_coordinator_queue_lag_seconds 0']);
  const waiting = queue.acquire();
  await new Promise((resolve) => setTimeout(resolve, 20));
  fraction = 0.5;
  observeCall(metrics, { method: 'ScoreService/Score', code: status.NOT_FOUND, seconds: 0.1 });
  expectLines(await scrape(), [
    'golddiff_coordinator_coverage_ratio 0.5',
    'golddiff_coordinator_open_steps 1',
    'golddiff_coordinator_queue_depth 1',
    'golddiff_coordinator_open_steps_max 1',
    'golddiff_coordinator_queue_depth_max 5',
    'golddiff_coordinator_worker_slowness_max_ratio 2.5',
    'golddiff_coordinator_requests_total{method="ScoreService/Score",code="NOT_FOUND"} 1',
  ]);
  const lag = Number(/^golddiff_coordinator_queue_lag_seconds (.*)$/m.exec(await scrape())![1]);
  assert.ok(lag >= 0.015, String(lag));
  place.release();
  (await waiting).release();
});

test('who leads, the epoch and how far workers are from it, and partitions by their live replicas', async () => {
  const leader = { leads: true };
  const { scrape } = observed({ leader });
  expectLines(await scrape(), [
    'golddiff_coordinator_leader 1',
    'golddiff_coordinator_workers_live 3',
    'golddiff_coordinator_placement_epoch 6',
    // The idle worker is not named by the placement, and its old epoch is nobody's concern.
    'golddiff_coordinator_epoch_skew 1',
    'golddiff_coordinator_partitions{replicas="0"} 1',
    'golddiff_coordinator_partitions{replicas="1"} 1',
    'golddiff_coordinator_partitions{replicas="2_or_more"} 2',
    'golddiff_coordinator_partitions_short 2',
  ]);
  leader.leads = false;
  expectLines(await scrape(), ['golddiff_coordinator_leader 0']);
});

test('jobs by state, lag and dead letters come from one look at the control plane; without an answer the last ones stay and it is said', async () => {
  const jobs: JobQueue = { ...none, byState: { ...none.byState, queued: 2, failed: 1 }, oldestQueuedUnixMs: Date.now() - 60_000, deadLetters: 1 };
  let looks = 0;
  let answer: () => Promise<JobQueue> = () => Promise.resolve(jobs);
  const { scrape } = observed({
    jobs: {
      queue: () => {
        looks++;
        return answer();
      },
    },
  });
  const known = [
    'golddiff_coordinator_jobs{state="queued"} 2',
    'golddiff_coordinator_jobs{state="running"} 0',
    'golddiff_coordinator_jobs{state="failed"} 1',
    'golddiff_coordinator_job_dead_letters 1',
  ];
  const text = await scrape();
  assert.equal(looks, 1);
  expectLines(text, ['golddiff_coordinator_control_plane_up 1', ...known]);
  const lag = Number(/^golddiff_coordinator_job_queue_lag_seconds (.*)$/m.exec(text)![1]);
  assert.ok(lag >= 60 && lag < 90, String(lag));
  for (const away of [() => Promise.reject(new Error('NATS is away')), () => new Promise<never>(() => {})]) {
    answer = away;
    expectLines(await scrape(), ['golddiff_coordinator_control_plane_up 0', ...known]);
  }
  answer = () => Promise.resolve(none);
  expectLines(await scrape(), ['golddiff_coordinator_control_plane_up 1', 'golddiff_coordinator_job_queue_lag_seconds 0']);
});
