/**
 * What the planner's costs come from (shard-worker/candidates/search-planner.ts): time and recall of searches of an index, against a backend's scan of
 * the same proxies, on MNIST rows noised along the DDPM schedule.
 *
 *     node dist/test/bench/candidate-search.js [rows, default 20000] [proxy resolution, default 14] [backend, default reference] [queries, default 16]
 *
 * Beyond the 60,000 rows of MNIST, rows are repeated shifted by some pixels. One line of JSON a run; CPU time in microseconds for a query,
 * the least of three: other work on the machine disturbs it less than the wall clock.
 */

import { cpus } from 'node:os';
import { HnswIndex, proxyPoint } from '../../shard-worker/candidates/hnsw-index.js';
import { searchWidth } from '../../shard-worker/candidates/index-parameters.js';
import { createBackend } from '../../shard-worker/backends/create-backend.js';
import { createLogger } from '../../shared/log.js';
import { fillNormals } from '../../shared/math/counter-noise.js';
import { noiseLevelAt } from '../../shared/math/noise-schedule.js';
import { poolRow, proxyGeometry } from '../../shared/math/proxy.js';
import { plainMnist } from '../support/data-sets.js';

const D = 784;
const MNIST_ROWS = 60_000;
const SHAPE = [1, 28, 28] as const;
const QUERIES = Number(process.argv[5] ?? 16);
const REPEATS = 3;
const WANTED = [16, 64, 256, 1000, 4000];
const TIMESTEPS = [0, 100, 300, 400, 500, 900];

/* eslint-disable no-console -- a program for people */

function shiftedRows(rows: number): Uint8Array<SharedArrayBuffer> {
  const { pixels } = plainMnist(0, Math.min(rows, MNIST_ROWS));
  const values = new Uint8Array(new SharedArrayBuffer(rows * D));
  for (let i = 0; i < rows; i++) {
    // 0, 1, 29, 30 .. pixels on in raster order: another place for the same digit.
    const copy = Math.floor(i / MNIST_ROWS);
    const by = (copy % 4) + 28 * Math.floor(copy / 4);
    for (let p = 0; p + by < D; p++) values[i * D + p + by] = pixels[(i % MNIST_ROWS) * D + p]!;
  }
  return values;
}

/** CPU time of all threads so far, in microseconds. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function least(times: readonly number[]): number {
  return Math.round(Math.min(...times) * 10) / 10;
}

const rows = Number(process.argv[2] ?? 20_000);
const geometry = proxyGeometry(SHAPE, Number(process.argv[3] ?? 14));
const d = geometry.values;
const values = shiftedRows(rows);
const partition = { rows, shape: SHAPE, values };
const report: Record<string, unknown> = {
  bench: 'candidate-search',
  cpu: cpus()[0]?.model,
  cores: cpus().length,
  rows,
  d,
  queries: QUERIES,
  backend: process.argv[4] ?? 'reference',
};

const scratch = new Float64Array(d);
const buildUs = cpuUs();
const index = HnswIndex.empty(rows, d);
while (index.count < rows) index.add(proxyPoint(partition, index.count, geometry, scratch));
report.buildSeconds = Math.round((cpuUs() - buildUs) / 1e3) / 1e3;

const wish = process.argv[4] === 'native' ? 'native' : 'reference';
const settings = {
  wish,
  isa: 'auto',
  computeThreads: 1,
  hostMemoryBytes: Infinity,
  cardMemoryBytes: Infinity,
  log: createLogger('bench', 'warn'),
} as const;
const { backend } = await createBackend(settings);
const rowIds = Uint32Array.from({ length: rows }, (_, i) => i);
const held = { dataSet: 'bench', partition: 0, ...partition, labels: new Int32Array(rows).fill(-1), rowIds };
await backend.load(held);

const searches: object[] = [];
const scans: object[] = [];
for (const t of TIMESTEPS) {
  const level = noiseLevelAt('DDPM_LINEAR', t);
  const x = new Float64Array(new SharedArrayBuffer(QUERIES * D * 8));
  const noise = new Float64Array(D);
  for (let b = 0; b < QUERIES; b++) {
    fillNormals(noise, 5, b, t);
    const row = (b * 1237 + 7) % rows;
    for (let p = 0; p < D; p++) x[b * D + p] = level.alpha * (values[row * D + p]! / 127.5 - 1) + level.sigma * noise[p]!;
  }
  const golden = { proxyResolution: geometry.resolution, presampleSeed: 0, presampleStep: 0, queryIds: new Uint32Array(QUERIES) };
  const each = (value: number): Float64Array => new Float64Array(QUERIES).fill(value);
  const queries = {
    dataSet: 'bench',
    batch: QUERIES,
    x,
    alpha: each(level.alpha),
    sigma: each(level.sigma),
    temperature: 1,
    labels: undefined,
    golden,
  };
  const points = Array.from({ length: QUERIES }, (_, b) => {
    poolRow(x, b * D, SHAPE, geometry, scratch);
    return Array.from(scratch, (value) => value / level.alpha);
  });
  for (const wanted of WANTED.filter((count) => count * 2 <= rows)) {
    const times: number[] = [];
    let found: Uint32Array[] = [];
    for (let r = 0; r < REPEATS; r++) {
      const startUs = cpuUs();
      found = points.map((point) => index.search(point, wanted));
      times.push((cpuUs() - startUs) / QUERIES);
    }
    const scanTimes: number[] = [];
    let hits = 0;
    for (let r = 0; r < REPEATS; r++) {
      const step = backend.openStep(queries);
      if (r === 0 && scans.length === 0) await step.screen(0, 'proxy', {}, { kind: 'windows', windows: [{ query: 0, firstRank: 0, count: 1 }] });
      const fresh = backend.openStep(queries);
      const windows = points.map((_, query) => ({ query, firstRank: 0, count: wanted }));
      const startUs = cpuUs();
      const screen = await fresh.screen(0, 'proxy', {}, { kind: 'windows', windows });
      scanTimes.push((cpuUs() - startUs) / QUERIES);
      if (r === 0) {
        found.forEach((list, b) => {
          const set = new Set(list);
          for (const id of screen.rowIds.subarray(b * wanted, (b + 1) * wanted)) if (set.has(id)) hits++;
        });
      }
      step.close();
      fresh.close();
      if (t !== TIMESTEPS[0]) break;
    }
    searches.push({ t, wanted, ef: searchWidth(wanted, rows), us: least(times), recall: hits / (QUERIES * wanted) });
    if (t === TIMESTEPS[0]) scans.push({ wanted, batch: QUERIES, us: least(scanTimes) });
  }
}
await backend.close();
console.error(`build ${String(report.buildSeconds)} s`);
console.table(searches);
console.table(scans);
console.log(JSON.stringify({ ...report, searches, scans }));
