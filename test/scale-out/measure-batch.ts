/** One batch on one cluster, many times: what each process counted meanwhile, by its own /metrics, as figures of one step. */

import { createHash } from 'node:crypto';
import type { ScoreResult } from '../../client/golddiff-client.js';
import { coveringNodes } from '../../shared/math/merge-tree.js';
import type { Fleet } from '../support/fleet.js';
import type { ScrapedMetrics } from '../support/scraped-metrics.js';
import { until } from '../support/until.js';
import type { BatchCase } from './batches.js';

/** All of one step; times are means over the steps but the wall time, which is their median. */
export interface BatchMeasurement {
  readonly method: string;
  readonly t: number;
  readonly batch: number;
  readonly workers: number;
  /** of the data set */
  readonly rows: number;
  readonly steps: number;
  /** of everything in the answer that a caller computes with */
  readonly digest: string;
  /** largest over the queries */
  readonly goldenRows: number;
  /** rows looked at by each worker, added up over queries, by stage */
  readonly rowsByWorker: Readonly<Record<string, readonly number[]>>;
  /** nodes of the merge tree that come over the wire for one partial of the whole: the fewest that cover what each worker holds */
  readonly partials: number;
  /** bytes and messages of steps at the coordinator */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sentMessages: number;
  readonly receivedMessages: number;
  /** counted by the workers together */
  readonly workersReceivedBytes: number;
  readonly workersSentBytes: number;
  readonly coordinatorCpuMs: number;
  readonly workerCpuMs: readonly number[];
  readonly mergeMs: number;
  readonly wallMs: number;
}

export interface MeasureSettings {
  readonly warmUpSteps: number;
  /** at least so many, and until the budget is used */
  readonly steps: number;
  readonly budgetMs: number;
}

const SETTLE_MS = 10_000;
const STREAM_BYTES = 'golddiff_step_stream_bytes_total';
const STREAM_MESSAGES = 'golddiff_step_stream_messages_total';
const ROWS = 'golddiff_worker_rows_scored_total';

interface Snapshot {
  readonly coordinator: ScrapedMetrics;
  readonly workers: readonly ScrapedMetrics[];
}

export async function measureBatch(fleet: Fleet, { method, t, input }: BatchCase, settings: MeasureSettings): Promise<BatchMeasurement> {
  const answers = new Set<string>();
  let last: ScoreResult | undefined;
  const step = async (): Promise<number> => {
    const startMs = performance.now();
    last = await fleet.client.score(input);
    const tookMs = performance.now() - startMs;
    answers.add(digestOf(last));
    return tookMs;
  };
  for (let i = 0; i < settings.warmUpSteps; i++) await step();
  const before = await settled(fleet);
  const times: number[] = [];
  const endMs = performance.now() + settings.budgetMs;
  while (times.length < settings.steps || performance.now() < endMs) times.push(await step());
  const after = await settled(fleet);
  if (answers.size !== 1) throw new Error(`${method} at t = ${t} gave ${answers.size} different answers on one cluster`);
  const steps = times.length;
  const each = (of: (snapshot: ScrapedMetrics) => number, from: ScrapedMetrics, to: ScrapedMetrics): number => (of(to) - of(from)) / steps;
  const coordinator = (name: string, labels?: Record<string, string>): number =>
    each((m) => m.sum(name, labels), before.coordinator, after.coordinator);
  const workers = (name: string, labels?: Record<string, string>): number[] =>
    after.workers.map((to, i) => each((m) => m.sum(name, labels), before.workers[i]!, to));
  const stages = [...new Set(after.workers.flatMap((m) => Object.keys(m.by(ROWS, 'stage'))))];
  const rowsByWorker: Record<string, number[]> = {};
  for (const stage of stages) {
    const rows = workers(ROWS, { stage });
    if (sum(rows) > 0) rowsByWorker[stage] = rows;
  }
  return {
    method,
    t,
    batch: input.shape[0]!,
    workers: fleet.workers.size,
    rows: last!.coverage.rowsTotal,
    steps,
    digest: [...answers][0]!,
    goldenRows: Math.max(...last!.goldenRows),
    rowsByWorker,
    partials: await partialsOf(fleet),
    sentBytes: coordinator(STREAM_BYTES, { direction: 'sent' }),
    receivedBytes: coordinator(STREAM_BYTES, { direction: 'received' }),
    sentMessages: coordinator(STREAM_MESSAGES, { direction: 'sent' }),
    receivedMessages: coordinator(STREAM_MESSAGES, { direction: 'received' }),
    workersReceivedBytes: sum(workers(STREAM_BYTES, { direction: 'received' })),
    workersSentBytes: sum(workers(STREAM_BYTES, { direction: 'sent' })),
    coordinatorCpuMs: 1000 * coordinator('process_cpu_seconds_total'),
    workerCpuMs: workers('process_cpu_seconds_total').map((seconds) => 1000 * seconds),
    mergeMs: 1000 * coordinator('golddiff_coordinator_step_phase_duration_seconds_sum', { phase: 'merge' }),
    wallMs: times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!,
  };
}

/** Figures of all processes at a moment when no step is open anywhere: both ends have counted every message by then. */
async function settled(fleet: Fleet): Promise<Snapshot> {
  let snapshot: Snapshot | undefined;
  await until(
    async () => {
      const [[coordinator], workers] = await Promise.all([fleet.metricsOfCoordinators(), fleet.metricsOfWorkers()]);
      snapshot = { coordinator: coordinator!, workers };
      const open = sum([coordinator!.sum('golddiff_coordinator_open_steps'), ...workers.map((w) => w.sum('golddiff_worker_open_steps'))]);
      const [sent, arrived] = [
        coordinator!.sum(STREAM_BYTES, { direction: 'sent' }),
        sum(workers.map((w) => w.sum(STREAM_BYTES, { direction: 'received' }))),
      ];
      return open === 0 && sent === arrived;
    },
    'no step is open, and all that was sent has arrived',
    SETTLE_MS,
  );
  return snapshot!;
}

async function partialsOf(fleet: Fleet): Promise<number> {
  const { partitions } = await fleet.client.cluster.status();
  const present = partitions.map(({ id }) => id);
  const heldBy = (worker: string): number[] => partitions.flatMap(({ id, replicas }) => (replicas[0] === worker ? [id] : []));
  return sum([...fleet.workers.keys()].map((worker) => coveringNodes(heldBy(worker), present).length));
}

/** Of x0hat and every statistic that is a number. */
export function digestOf({ x0hat, logEvidence, logZ, effectiveSupport, maxWeight, goldenRows, tailMassBound }: ScoreResult): string {
  const hash = createHash('sha256').update(new Uint8Array(x0hat.buffer, x0hat.byteOffset, x0hat.byteLength));
  for (const values of [logEvidence, logZ, effectiveSupport, maxWeight, goldenRows, tailMassBound])
    hash.update(new Uint8Array(Float64Array.from(values).buffer));
  return hash.digest('hex').slice(0, 16);
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
