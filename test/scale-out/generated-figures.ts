/** Figures as a good run would give them, for tests of what is made of figures. */

import type { ChangeReport, Moment } from './changing-fleet.js';
import type { BatchMeasurement } from './measure-batch.js';

export function generatedBatch(workers: number, more: Partial<BatchMeasurement> = {}): BatchMeasurement {
  const [rows, batch] = [1_600, 4];
  return {
    method: 'golden',
    t: 700,
    batch,
    workers,
    rows,
    steps: 10,
    digest: 'ab',
    goldenRows: 100,
    rowsByWorker: { proxy: equal(workers, rows * batch), sums: equal(workers, 400) },
    partials: workers,
    sentBytes: 10_000 * workers,
    receivedBytes: 20_000 * workers,
    sentMessages: 4 * workers,
    receivedMessages: 4 * workers,
    workersReceivedBytes: 10_000 * workers,
    workersSentBytes: 20_000 * workers,
    coordinatorCpuMs: 2 + workers,
    workerCpuMs: equal(workers, 40),
    mergeMs: 0.1 * workers,
    wallMs: 50 / workers,
    ...more,
  };
}

export function generatedChange(more: Partial<ChangeReport> = {}): ChangeReport {
  const moment = (atMs: number, workers: number, epoch: number): Moment => ({
    atMs,
    workersLive: workers,
    workersHolding: workers,
    epoch,
    evaluations: atMs / 10,
    coverage: 1,
  });
  return {
    controlPlane: 'nats',
    backend: 'native',
    coordinators: 2,
    replicas: 2,
    rows: 1_600,
    images: 32,
    moments: Array.from({ length: 40 }, (_, i) => moment(200 * i, i < 10 ? 2 : i < 25 ? 8 : 3, i < 10 ? 1 : i < 25 ? 2 : 3)),
    changes: [
      { from: 2, to: 8, startMs: 1_000, endMs: 2_000, epochs: 1, evaluations: 100, jobs: 2 },
      { from: 8, to: 3, startMs: 4_000, endMs: 5_000, epochs: 1, evaluations: 100, jobs: 1 },
    ],
    jobs: [0, 1, 2].map((request) => ({
      ...{ request, state: 'succeeded' as const, deliveries: 1, equal: true },
      ...{ startMs: 2_000 * request, endMs: 2_000 * request + 1_900 },
    })),
    end: { leaders: 1, callsFailed: 0, deliveriesAgain: 0, jobsSucceeded: [3, 3], deadLetters: [0, 0], epochs: [3, 3], epochSkews: [0, 0] },
    ...more,
  };
}

function equal(workers: number, total: number): number[] {
  return Array.from({ length: workers }, () => total / workers);
}
