/** Steps over a cluster of brute-force workers, for the tests of what runs them: how it is started, what is asked of it, and what is right. */

import type { TestContext } from 'node:test';
import type { Retrieval__Output } from '../../proto/generated/golddiff/v1/Retrieval.js';
import type { Hedging } from '../../coordinator/hedging.js';
import type { ClusterView } from '../../coordinator/step-assignments.js';
import type { StepAnswer } from '../../coordinator/step-answer.js';
import { eligibleRows, planGolden, type StepPlan } from '../../coordinator/step-plan.js';
import { StepRunner, type StepRunnerSettings } from '../../coordinator/step-runner.js';
import { WorkerLinks } from '../../coordinator/worker-links.js';
import type { PlacementDocument } from '../../shared/control-plane/control-plane.js';
import { createLogger } from '../../shared/log.js';
import { createMetrics } from '../../shared/metrics.js';
import { startBruteForceWorker, type BruteForceWorker } from './brute-force-worker.js';
import { randomQueries, type TestDataSet } from './test-data.js';

const log = createLogger('test', 'silent');
export const metrics = createMetrics('coordinator');
export const context = () => ({ requestId: 'test', signal: new AbortController().signal, remainingMs: () => Infinity });

const NO_STATISTICS: StepRunnerSettings['statistics'] = {
  locality: () => Promise.reject(new Error('no mask is asked for')),
  gaussian: () => Promise.reject(new Error('no covariance is asked for')),
};

interface Cluster {
  readonly runner: StepRunner;
  readonly workers: BruteForceWorker[];
  readonly dead: Set<string>;
}

/** Partition p on worker p mod W, and on the `replicas - 1` next ones. */
export async function startCluster(
  t: TestContext,
  data: TestDataSet,
  count: number,
  options: {
    hedging?: Hedging;
    replicas?: number;
    delayMsMax?: number;
    placementWaitMs?: number;
    /** in place of what is usual */
    view?: Partial<ClusterView>;
  } = {},
): Promise<Cluster> {
  const workers: BruteForceWorker[] = [];
  for (let i = 0; i < count; i++) {
    const worker = await startBruteForceWorker({
      workerId: `w${i}`,
      data,
      seed: i * 31 + count,
      delayMsMax: options.delayMsMax ?? 0,
    });
    worker.epoch = 1;
    workers.push(worker);
  }
  const partitions = data.manifest.partitions.map(({ id }) => ({
    partition: id,
    replicas: Array.from({ length: options.replicas ?? 1 }, (_, r) => `w${(id + r) % count}`),
  }));
  const document: PlacementDocument = { dataSet: data.manifest.name, contentHash: 'content', epoch: 1, partitions };
  const dead = new Set<string>();
  const cluster: ClusterView = {
    placement: () => document,
    addressOf: (id) => (dead.has(id) ? undefined : workers.find((w) => w.workerId === id)?.address),
    changed: (ms) => new Promise((resolve) => setTimeout(resolve, Math.min(ms, 20))),
    suspect: () => {},
    refresh: () => Promise.resolve(),
    ...options.view,
  };
  const links = new WorkerLinks();
  t.after(() => {
    links.close();
    workers.forEach((w) => w.stop());
  });
  return {
    runner: new StepRunner({
      cluster,
      links,
      log,
      statistics: NO_STATISTICS,
      placementWaitMs: options.placementWaitMs ?? 0,
      ...(options.hedging && { hedging: options.hedging }),
      metrics,
    }),
    workers,
    dead,
  };
}

interface PlanOptions {
  readonly batch?: number;
  readonly alpha?: number;
  readonly sigma?: number;
  readonly labels?: number[];
  readonly retrieval?: Partial<Retrieval__Output>;
  readonly massRows?: boolean;
  readonly allowPartial?: boolean;
}

export function planOf(data: TestDataSet, options: PlanOptions = {}): StepPlan {
  const batch = options.batch ?? 3;
  const [C, H, W] = data.manifest.shape;
  const alpha = new Float64Array(batch).fill(options.alpha ?? 0.8);
  const sigma = Float64Array.from({ length: batch }, (_, b) => (options.sigma ?? 0.6) * (1 + b / 10));
  const labels = options.labels ? Int32Array.from(options.labels) : undefined;
  const eligible = eligibleRows(data.manifest, labels, batch);
  const retrieval = options.retrieval ? ({ kind: 'GOLDEN', proxyResolution: 2, ...options.retrieval } as Retrieval__Output) : null;
  return {
    manifest: data.manifest,
    batch,
    dim: C * H * W,
    x: randomQueries(data, batch, alpha[0]!, sigma[0]!),
    xDtype: 'F32',
    alpha,
    sigma,
    temperature: 1,
    labels,
    eligible,
    golden: planGolden(data.manifest, retrieval, { presampleSeed: 11, presampleStep: 2, firstQuery: 5 }, eligible, alpha, sigma),
    denoiser: { route: 'rows' },
    massRows: options.massRows ?? false,
    allowPartial: options.allowPartial ?? false,
  };
}

/** The bits of everything that must not depend on how the work was split. */
export function bitsOf(answer: StepAnswer): string {
  const { timings: _timings, x0hat, ...rest } = answer;
  return JSON.stringify([Buffer.from(x0hat.buffer).toString('hex'), rest]);
}

/** The answer over all rows by definition, for the rows that `inside` keeps. */
export function bruteForce(data: TestDataSet, plan: StepPlan, b: number, inside: (row: { id: number; label: number; distance: number }) => boolean) {
  const rows = data.partitions.flatMap((part) =>
    [...part.rowIds].map((id, i) => {
      const y = part.values.subarray(i * plan.dim, (i + 1) * plan.dim);
      let distance = 0;
      for (let p = 0; p < plan.dim; p++) distance += (plan.x[b * plan.dim + p]! - plan.alpha[b]! * y[p]!) ** 2;
      return { id, label: part.labels[i]!, y, distance };
    }),
  );
  const kept = rows.filter(inside);
  const logits = kept.map((row) => -row.distance / (2 * plan.sigma[b]! ** 2 * plan.temperature));
  const m = Math.max(...logits);
  const weights = logits.map((l) => Math.exp(l - m));
  const S = weights.reduce((a, w) => a + w, 0);
  const x0hat = Float64Array.from({ length: plan.dim }, (_, p) => kept.reduce((sum, row, i) => sum + weights[i]! * row.y[p]!, 0) / S);
  return { rows, kept, x0hat, logZ: m + Math.log(S), support: S ** 2 / weights.reduce((a, w) => a + w * w, 0), weights, S };
}

export function largestError(x0hat: Float64Array, expected: Float64Array, b: number): number {
  return expected.reduce((worst, value, p) => Math.max(worst, Math.abs(value - x0hat[b * expected.length + p]!)), 0);
}

export const VARIANTS: readonly { name: string; options: PlanOptions }[] = [
  { name: 'exact', options: { massRows: true } },
  { name: 'exact with labels', options: { labels: [0, -1, 2] } },
  { name: 'exact at low noise', options: { sigma: 0.01 } },
  { name: 'golden as in the paper', options: { retrieval: { kMin: 8, kMax: 20 }, massRows: true } },
  { name: 'golden as released', options: { retrieval: { variant: 'RELEASED', kMin: 8, kMax: 20 } } },
  { name: 'golden over labels', options: { retrieval: { variant: 'RELEASED', kMin: 4, kMax: 9 }, labels: [1, 0, -1] } },
];

export async function counted(name: string): Promise<number> {
  const metric = await metrics.registry.getSingleMetric(name)!.get();
  return metric.values.reduce((sum, { value }) => sum + value, 0);
}
