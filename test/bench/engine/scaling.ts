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

const METHODS = ['exact', 'scan', 'hnsw'] as const;
type Method = (typeof METHODS)[number];

interface Point {
  readonly rows: number;
  readonly t: number;
  readonly method: Method;
  readonly ms: readonly number[];
  /** share of the pool's subset that the scan finds too */
  readonly recall?: number;
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
        const measured = await interleave(entrants, flags.rounds, (sentence) => notes.push(sentence));
        for (const { name, times } of measured) points.push({ rows: set.rows, t, method: name as Method, ms: times });
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

/** Share of partitions whose index is ready, by the worker's metrics; undefined where it has no such metric. */
async function indexShare(worker: ClusterSteps): Promise<number | undefined> {
  for (const [name, endpoint] of worker.cluster.metricsEndpoints) {
    if (!name.includes('worker')) continue;
    const text = await (await fetch(`http://${endpoint}/metrics`)).text();
    const ready = metricValue(text, /^golddiff_worker_indexes_ready\b/);
    if (ready !== undefined) return ready / PARTITIONS;
  }
  return undefined;
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
      rows.push([String(t), method, ...cells, Number.isNaN(exponent) ? '-' : exponent.toFixed(2)]);
      results.push({
        t,
        method,
        points: own.map((point) => ({ rows: point.rows, ms: roundedSpread(spread(point.ms)) })),
        exponent: Number.isNaN(exponent) ? null : rounded(exponent),
      });
      if (method === 'hnsw' && own.length >= 2)
        requirements.push({ name: `golden step with hnsw, t = ${t}, exponent of N`, measured: exponent, limit: EXPONENT_MAX, wanted: 'at most' });
    }
  const headings = ['t', 'search', ...sizes.map((size) => `${size} rows, ms`), 'exponent of N'];
  const title = `Golden step against N, pool ${POOL}, k ${K}, B = ${BATCH}, one worker, ${PARTITIONS} partitions (coordinator's step)`;
  return { tables: [{ title, headings, rows }], requirements, notes, results };
}
