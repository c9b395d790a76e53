/** The engine as a contestant: a backend in a process of its own. Arguments: backend, compute threads. Requests as in requests.ts, one a line. */

import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';

import type { Backend, PartitionRows, StepPrecision, StepQueries } from '../../../shard-worker/backends/backend.js';
import { loadPartition, openDataSet } from '../../../shared/dataset/data-set.js';
import { readNpy, readNpyHeader, writeNpy } from '../../../shared/dataset/npy.js';
import { asGolddiffError, GolddiffError, invariant } from '../../../shared/errors.js';
import { resolveGolden } from '../../../shared/math/golden-schedule.js';
import { decodeSupportSet, encodeSupportSet, supportSizes } from '../../../shared/math/support-set.js';
import { sharedRows } from './bench-data.js';
import { exactStep, findCut, goldenStep, type LocalRows, type Phases } from './local-step.js';
import { openBackend, type MeasuredBackend } from './open-backend.js';
import { repeated } from './repeat.js';
import type { EngineRequest, ExactReply, GoldenReply, LoadRequest, MaskReply, MaskRequest, QueriesOf, SearchReply } from './requests.js';
import { nativeCovariance, nativeMask, nativeStatistics } from './statistics-of.js';

const [name = 'reference', threads = '1'] = process.argv.slice(2);
const backend = await openBackend(name as MeasuredBackend, Number(threads));
const held = new Map<string, LocalRows & { readonly data: readonly PartitionRows[] }>();

/** Row i of the file has the global id i; partitions are contiguous. */
async function load(request: LoadRequest): Promise<object> {
  const { set, shape } = request;
  const startedMs = performance.now();
  let rows = 0;
  const data: PartitionRows[] = [];
  if (existsSync(path.join(request.file, 'manifest.json'))) {
    const dataSet = await openDataSet(request.file);
    for (const { id } of dataSet.manifest.partitions) {
      data.push({ ...(await loadPartition(dataSet, id)), dataSet: set });
      rows += data.at(-1)!.rows;
    }
  } else {
    const { shape: stored, offsetBytes } = await readNpyHeader(request.file, ['u1']);
    const [total = 0, dim = 0] = stored;
    rows = request.rows === 0 ? total : Math.min(total, request.rows);
    const count = Math.max(1, request.partitions);
    for (let partition = 0; partition < count; partition++) {
      const first = Math.floor((rows * partition) / count);
      const n = Math.floor((rows * (partition + 1)) / count) - first;
      const values = await sharedRows(request.file, offsetBytes + first * dim, n * dim);
      const labels = new Int32Array(new SharedArrayBuffer(n * 4)).fill(-1);
      const rowIds = new Uint32Array(new SharedArrayBuffer(n * 4));
      for (let i = 0; i < n; i++) rowIds[i] = first + i;
      data.push({ dataSet: set, partition, rows: n, shape, values, labels, rowIds });
    }
  }
  for (const one of data) await backend.load(one);
  held.set(set, { partitions: data.map(({ partition }) => partition), rows, data });
  return { rows, bytes: backend.residentBytes, loadMs: performance.now() - startedMs };
}

async function queriesOf(request: QueriesOf): Promise<StepQueries> {
  const { data, shape } = await readNpy(request.queries);
  const dim = shape[1]!;
  const x = new Float64Array(new SharedArrayBuffer(request.batch * dim * 8));
  x.set(data.subarray(0, request.batch * dim));
  const each = (value: number): Float64Array => new Float64Array(request.batch).fill(value);
  const golden = { proxyResolution: 0, presampleSeed: 0, presampleStep: 0, queryIds: Uint32Array.from({ length: request.batch }, (_, b) => b) };
  return {
    dataSet: request.set,
    batch: request.batch,
    x,
    alpha: each(request.alpha),
    sigma: each(request.sigma),
    temperature: 1,
    labels: undefined,
    golden,
    ...(request.supports !== undefined && { precision: await precisionOf(request.supports, request.batch) }),
  };
}

async function precisionOf(file: string, batch: number): Promise<StepPrecision> {
  const set = decodeSupportSet(await readFile(file));
  return { groups: set.groups, kinds: [{ kind: 'supports', set }], of: new Uint32Array(batch) };
}

/** Covariances of sets that masks were asked of. */
const covariances = new Map<string, Float64Array>();

async function makeMask({ set, alpha, sigma, threshold, supports, mask }: MaskRequest): Promise<MaskReply> {
  const covariance = covariances.get(set) ?? (await nativeCovariance(rowsOf(set).data, backend.computeThreads));
  covariances.set(set, covariance);
  const made = await nativeMask(covariance, (sigma / alpha) ** 2, threshold, backend.computeThreads);
  await writeFile(supports, encodeSupportSet(made));
  const { rowValues: D, groups, firstRun, runs } = made;
  const dense = new Uint8Array(D * groups);
  for (let j = 0; j < groups; j++)
    for (let r = firstRun[j]!; r < firstRun[j + 1]!; r++) for (let p = runs[2 * r]!; p < runs[2 * r + 1]!; p++) dense[p * groups + j] = 1;
  await writeNpy(mask, dense, [D, groups]);
  return { entries: supportSizes(made).reduce((sum, size) => sum + size, 0), runs: runs.length / 2 };
}

function rowsOf(set: string) {
  const found = held.get(set);
  invariant(found !== undefined, `set ${set} is loaded`);
  return found;
}

function byPhase(all: readonly Phases[]): Record<string, number[]> {
  const phases: Record<string, number[]> = {};
  for (const one of all) for (const [phase, ms] of Object.entries(one)) (phases[phase] ??= []).push(ms);
  return phases;
}

async function answer(request: EngineRequest): Promise<object> {
  switch (request.op) {
    case 'describe':
      return { library: backend.name, version: backendVersion(backend), threads: backend.computeThreads };
    case 'load':
      return load(request);
    case 'drop': {
      for (const partition of rowsOf(request.set).partitions) await backend.unload({ dataSet: request.set, partition });
      held.delete(request.set);
      covariances.delete(request.set);
      return {};
    }
    case 'exact': {
      const queries = { ...(await queriesOf(request)), golden: undefined };
      const rows = rowsOf(request.set);
      const { times, values } = await repeated(() => exactStep(backend, rows, queries), request, request.warmUp);
      const wanted = request.wantAnswer ? await exactStep(backend, rows, queries, true) : undefined;
      const reply: ExactReply = { times, phases: byPhase(values.map((value) => value.phases)) };
      return { ...reply, ...(wanted && { x0hat: [...wanted.x0hat], ...(wanted.rowsThatMatter && { rowsThatMatter: wanted.rowsThatMatter }) }) };
    }
    case 'golden': {
      const queries = await queriesOf(request);
      const rows = rowsOf(request.set);
      const settings = resolveGolden(request, rows.rows);
      const { times, values } = await repeated(() => goldenStep(backend, rows, queries, settings), request);
      const { pool, subset } = values[0]!.sizes;
      const reply: GoldenReply = { times, phases: byPhase(values.map((value) => value.phases)), pool, subset };
      return { ...reply, ...(request.wantAnswer && { x0hat: [...values[0]!.x0hat] }) };
    }
    case 'search': {
      const queries = await queriesOf(request);
      const rows = rowsOf(request.set);
      const { times } = await repeated(async () => {
        const step = backend.openStep(queries);
        try {
          await findCut(step, rows, request.factor === 1 ? 'full' : 'proxy', {}, new Float64Array(request.batch).fill(request.k), rows.rows);
        } finally {
          step.close();
        }
      }, request);
      return { times } satisfies SearchReply;
    }
    case 'mask':
      return makeMask(request);
    case 'statistics':
      if (backend.name !== 'native') throw new GolddiffError('UNSUPPORTED', `Backend ${backend.name} computes no statistics`);
      return nativeStatistics(request, rowsOf(request.set).data, backend.computeThreads);
  }
}

function backendVersion(of: Backend): string {
  return 'isa' in of ? String(of.isa) : 'float64';
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply: object;
  try {
    reply = { ok: true, ...(await answer(JSON.parse(line) as EngineRequest)) };
  } catch (thrown) {
    reply = { ok: false, message: asGolddiffError(thrown).message };
  }
  process.stdout.write(`${JSON.stringify(reply)}\n`);
}
await backend.close();
