/** How the cost of a golden step grows with the rows at low noise: by scanning the proxies, and by the local index (through one worker). */

import type { RetrievalChoice } from '../../../client/golddiff-client.js';
import { importedOnce, queriesAt, shiftedDigits } from './bench-data.js';
import { interleave, repeatsOf, type BenchContext, type Entrant } from './bench-context.js';
import { ClusterSteps, type ClusterReply } from './cluster-steps.js';
import { roundedSpread } from './exact.js';
import { fitPower, rounded, shownSpread, spread } from './spread.js';
import type { Requirement, Section } from './tables.js';

export const SCALING_ROWS = [60_000, 240_000, 960_000] as const;
const BATCH = 8;
const LEVELS = [100, 0];
/** Few candidates of many rows, of one size at every N: what an index is for. */
const POOL = 1_000;
const K = 200;
const PARTITIONS = 16;
/** "Far slower than N". */
const EXPONENT_MAX = 0.5;
/** An index is built in the background: so long at most, in milliseconds a row, and looked for so often. */
const BUILD_MS_PER_ROW = 1.5;
const LOOK_EVERY_MS = 2_000;
const RECALL_SETTLES_MS = 300;

const METHODS = ['exact', 'scan', 'hnsw'] as const;
type Method = (typeof METHODS)[number];

interface Point {
  readonly rows: number;
  readonly t: number;
  readonly method: Method;
  readonly ms: readonly number[];
  /** Of hnsw, by the worker's own samples of live queries: how many it compared with the scan, and the mean share of the nearest proxies that the index found. */
  readonly recall?: Recall;
}

interface Recall {
  readonly searches: number;
  readonly mean: number;
}

export async function benchScaling(context: BenchContext, sizes: readonly number[] = SCALING_ROWS): Promise<Section> {
  const { flags, folder } = context;
  const notes: string[] = [];
  const points: Point[] = [];
  for (const rows of [...new Set(sizes.map((size) => Math.min(size, (flags.rows ?? size) * (size / SCALING_ROWS[0]))))]) {
    const set = await shiftedDigits(folder, Math.round(rows));
    const dataDir = await importedOnce(folder, set, PARTITIONS);
    const worker = await ClusterSteps.start({ dataDir, shards: 1, computeThreads: flags.threads, backend: flags.backend, metrics: true });
    try {
      const indexed = await waitForIndex(worker, context, await queriesAt(folder, set, LEVELS[0]!), set.rows);
      if (!indexed) notes.push(`hnsw is left out at ${set.rows} rows: no index was ready`);
      for (const t of LEVELS) {
        const query = await queriesAt(folder, set, t);
        const methods = METHODS.filter((method) => method !== 'hnsw' || indexed);
        const entrants = methods.map((method): Entrant<ClusterReply> => ({
          name: method,
          timesOf: (reply) => reply.coordinatorMs,
          run: () => worker.steps(query, BATCH, repeatsOf(flags), retrievalOf(method)),
        }));
        const before = await recallTotals(worker);
        const measured = await interleave(entrants, flags.rounds, (sentence) => notes.push(sentence));
        const recall = recallBetween(before, await recallTotals(worker));
        for (const { name, times } of measured) {
          const method = name as Method;
          points.push({ rows: set.rows, t, method, ms: times, ...(method === 'hnsw' && recall && { recall }) });
        }
      }
    } finally {
      await worker.stop();
    }
    context.progress(`scaling ${set.rows} rows done`);
  }
  return sectionOf(points, notes);
}

function retrievalOf(method: Method): RetrievalChoice {
  if (method === 'exact') return { kind: 'exact' };
  return { kind: 'golden', candidatePool: POOL, k: K, search: method };
}

/** The first request for an index starts its build. Tells whether one is in use in the end. */
async function waitForIndex(
  worker: ClusterSteps,
  context: BenchContext,
  query: Parameters<ClusterSteps['steps']>[0],
  rows: number,
): Promise<boolean> {
  const until = performance.now() + rows * BUILD_MS_PER_ROW;
  let told = -1;
  for (;;) {
    try {
      await worker.steps(query, 1, { repeats: 1, budgetMs: 0 }, retrievalOf('hnsw'));
    } catch {
      return false;
    }
    const ready = await indexShare(worker);
    if (ready === undefined) return false;
    if (ready >= 1) return true;
    if (performance.now() > until) return false;
    if (ready !== told) context.progress(`index of ${rows} rows: ${(ready * 100).toFixed(0)}% of the partitions are ready`);
    told = ready;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Share of partitions whose index is ready; undefined where there is no such metric. */
async function indexShare(worker: ClusterSteps): Promise<number | undefined> {
  const ready = metricValue(await workerMetrics(worker), /^golddiff_worker_indexes_ready\b/);
  return ready === undefined ? undefined : ready / PARTITIONS;
}

async function workerMetrics(worker: ClusterSteps): Promise<string> {
  const [, endpoint] = [...worker.cluster.metricsEndpoints].find(([name]) => name.includes('worker'))!;
  return (await fetch(`http://${endpoint}/metrics`)).text();
}

/** Searches compared so far, and the sum of their recalls: once no more come, for they are measured behind the answers. */
async function recallTotals(worker: ClusterSteps): Promise<{ searches: number; sum: number }> {
  for (let last = -1; ;) {
    const text = await workerMetrics(worker);
    const of = (part: string): number => metricValue(text, new RegExp(`^golddiff_worker_index_recall_ratio_${part}\\b`)) ?? 0;
    const searches = of('count');
    if (searches === last) return { searches, sum: of('sum') };
    last = searches;
    await new Promise((resolve) => setTimeout(resolve, RECALL_SETTLES_MS));
  }
}

export function recallBetween(before: { searches: number; sum: number }, after: { searches: number; sum: number }): Recall | undefined {
  const searches = after.searches - before.searches;
  return searches > 0 ? { searches, mean: (after.sum - before.sum) / searches } : undefined;
}

/** Sum over the samples of the metric whose name matches; undefined where there is none. */
export function metricValue(text: string, name: RegExp): number | undefined {
  const samples = text.split('\n').filter((line) => !line.startsWith('#') && name.test(line));
  return samples.length === 0 ? undefined : samples.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}

export function sectionOf(points: readonly Point[], notes: readonly string[]): Section {
  const sizes = [...new Set(points.map(({ rows }) => rows))].sort((a, b) => a - b);
  const rows: string[][] = [];
  const results: object[] = [];
  const requirements: Requirement[] = [];
  for (const t of new Set(points.map((point) => point.t)))
    for (const method of METHODS) {
      const own = points.filter((point) => point.t === t && point.method === method).sort((a, b) => a.rows - b.rows);
      if (own.length === 0) continue;
      const exponent = own.length >= 2 ? fitPower(own.map((point) => ({ x: point.rows, y: spread(point.ms).median }))).exponent : NaN;
      const cells = sizes.map((size) => {
        const point = own.find((p) => p.rows === size);
        return point === undefined ? '-' : shownSpread(spread(point.ms));
      });
      const recalls = own.map(({ recall }) => (recall ? `${recall.mean.toFixed(3)} of ${recall.searches}` : '-'));
      rows.push([String(t), method, ...cells, Number.isNaN(exponent) ? '-' : exponent.toFixed(2), method === 'hnsw' ? recalls.join(', ') : '-']);
      results.push({
        t,
        method,
        points: own.map((point) => ({ rows: point.rows, ms: roundedSpread(spread(point.ms)), ...(point.recall && { recall: point.recall }) })),
        exponent: Number.isNaN(exponent) ? null : rounded(exponent),
      });
      if (method === 'hnsw' && own.length >= 2)
        requirements.push({ name: `golden step with hnsw, t = ${t}, exponent of N`, measured: exponent, limit: EXPONENT_MAX, wanted: 'at most' });
    }
  const headings = ['t', 'search', ...sizes.map((size) => `${size} rows, ms`), 'exponent of N', 'recall of the pool by size, of so many searches'];
  const title = `Golden step against N, pool ${POOL}, k ${K}, B = ${BATCH}, one worker, ${PARTITIONS} partitions (coordinator's step)`;
  return { tables: [{ title, headings, rows }], requirements, notes, results };
}
