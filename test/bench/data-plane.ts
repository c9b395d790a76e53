/**
 * golddiff bench data-plane: what one step of a batch costs between a coordinator and its workers when the workers have nothing to compute.
 *
 *   echo  the bytes of x to every worker and as many back, over gRPC without a codec, in the same chunks: the floor
 *   link  our protocol over the same connections: Open and x, scalars, weighted sums, decoded and checked on both sides
 *   step  link, and the merge over the tree, and the answer: all that a coordinator does for a step
 *
 * Workers are processes of this machine with the real shard service over a backend without compute. Rounds of the three are interleaved, so that what
 * else the machine does falls on all alike. Prints a table and one JSON line.
 */

import { numberList } from './number-list.js';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command, Option } from 'commander';

import { importDataSet } from '../../client/import/import-data-set.js';
import { ServiceProcess } from '../../client/service-process.js';
import { Hedging } from '../../coordinator/hedging.js';
import { attemptStep, type StepContext } from '../../coordinator/step-attempt.js';
import { coverageOf } from '../../coordinator/step-assignments.js';
import type { StepPlan } from '../../coordinator/step-plan.js';
import { WorkerLink } from '../../coordinator/worker-link.js';
import { WorkerStep } from '../../coordinator/worker-step.js';
import { integer, runCommandLine, type Parser } from '../../shared/config.js';
import { readManifest } from '../../shared/dataset/manifest-validation.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { writeNpy } from '../../shared/dataset/npy.js';
import {
  BATCH_ROWS_MAX,
  DATA_PLANE_CHUNK_BYTES,
  HEDGE_DELAY_MS_DEFAULT,
  HEDGE_PERCENT_DEFAULT,
  HEDGE_PERCENTILE_DEFAULT,
} from '../../shared/limits.js';
import { mergeUp, rootLevel } from '../../shared/math/merge-tree.js';
import { mergeScalars } from '../../shared/math/partial-posterior.js';
import { packageRoot } from '../../shared/package-root.js';
import { EchoLink } from './echo.js';

interface BenchFlags {
  readonly batch: number;
  readonly dims: number[];
  readonly workers: number[];
  readonly rounds: number;
  readonly steps: number;
  readonly markdown?: boolean;
}

interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

interface Result {
  readonly dim: number;
  readonly workers: number;
  /** of x, to each worker; as many come back from each */
  readonly bytesEachWay: number;
  /** milliseconds */
  readonly echo: Spread;
  readonly link: Spread;
  readonly step: Spread;
  /** median of link - median of echo, milliseconds */
  readonly linkOverEcho: number;
}

/** At B = 32, D = 784 and one worker. */
const REQUIRED_MS = 1.5;
/** Of each kind: the compiler settles within some hundred small steps. */
const WARM_UP_MS = 400;
const READY_TIMEOUT_MS = 30_000;

const context: StepContext = { requestId: 'bench', signal: new AbortController().signal, remainingMs: () => Infinity };

async function run(flags: BenchFlags): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'golddiff-bench-'));
  const processes: ServiceProcess[] = [];
  const interrupt = (): void => process.exit(1);
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    const dataSets = new Map<string, { dir: string; manifest: Manifest }>();
    for (const dim of flags.dims) for (const workers of flags.workers) dataSets.set(`${dim}x${workers}`, await makeDataSet(folder, dim, workers));
    const program = fileURLToPath(new URL('./instant-worker.js', import.meta.url));
    const args = [...dataSets.values()].map(({ dir }) => dir);
    for (let w = 0; w < Math.max(...flags.workers); w++)
      processes.push(await ServiceProcess.start({ name: `instant worker ${w}`, program, args, readyTimeoutMs: READY_TIMEOUT_MS }));
    const results: Result[] = [];
    for (const dim of flags.dims)
      for (const workers of flags.workers) {
        const addresses = processes.slice(0, workers).map((p) => p.address);
        results.push(await measure(flags, dim, addresses, dataSets.get(`${dim}x${workers}`)!.manifest));
        process.stderr.write(`D = ${dim}, ${workers} ${workers === 1 ? 'worker' : 'workers'} done\n`);
      }
    report(flags, results);
  } finally {
    await Promise.all(processes.map((p) => p.stop(2_000)));
    await rm(folder, { recursive: true, force: true });
  }
}

/** As many rows as workers, each a partition of its own: a worker holds one leaf of the merge tree and merges nothing. */
async function makeDataSet(folder: string, dim: number, workers: number): Promise<{ dir: string; manifest: Manifest }> {
  const name = `d${dim}-w${workers}`;
  const file = path.join(folder, `${name}.npy`);
  await writeNpy(file, new Uint8Array(workers * dim), [workers, 1, 1, dim]);
  const dir = path.join(folder, name);
  await importDataSet({ source: `npy:${file}`, out: dir, partitions: workers, name });
  return { dir, manifest: await readManifest(dir) };
}

async function measure(flags: BenchFlags, dim: number, addresses: readonly string[], manifest: Manifest): Promise<Result> {
  const { batch } = flags;
  const plan = stepPlan(manifest, batch, dim);
  const bytes = Buffer.from(Float32Array.from(plan.x).buffer);
  const echoes = addresses.map((address) => new EchoLink(address));
  const links = addresses.map((address, w) => new WorkerLink(`instant-${w}`, address));
  const { name: dataSet, contentHash } = manifest;
  for (const [w, link] of links.entries()) await link.assign({ dataSet, contentHash, epoch: 1, partitions: [w] }, READY_TIMEOUT_MS);
  const assignments = links.map((link, w) => ({ link, partitions: [w] }));
  const coverage = coverageOf(manifest, []);
  const hedging = new Hedging({ budgetPercent: HEDGE_PERCENT_DEFAULT, percentile: HEDGE_PERCENTILE_DEFAULT, delayMsMin: HEDGE_DELAY_MS_DEFAULT });
  const kinds = {
    echo: () => Promise.all(echoes.map((echo) => echo.roundTrip(bytes, DATA_PLANE_CHUNK_BYTES))),
    link: () => linkStep(plan, links, bytes),
    step: () => attemptStep(plan, 1, { assignments, coverage, hedging, countBytes: () => {} }, context),
  };
  const times = { echo: [] as number[], link: [] as number[], step: [] as number[] };
  try {
    for (const kind of ['echo', 'link', 'step'] as const) {
      const until = performance.now() + WARM_UP_MS;
      do await kinds[kind]();
      while (performance.now() < until);
    }
    for (let round = 0; round < flags.rounds; round++)
      for (const kind of ['echo', 'link', 'step'] as const)
        for (let i = 0; i < flags.steps; i++) {
          const started = performance.now();
          await kinds[kind]();
          times[kind].push(performance.now() - started);
        }
  } finally {
    for (const link of [...echoes, ...links]) link.close();
  }
  const [echo, link, step] = [spread(times.echo), spread(times.link), spread(times.step)];
  return { dim, workers: addresses.length, bytesEachWay: bytes.length, echo, link, step, linkOverEcho: link.median - echo.median };
}

/** The protocol of one step on every worker at once, without what the coordinator makes of the answers. */
async function linkStep(plan: StepPlan, links: readonly WorkerLink[], x: Buffer): Promise<void> {
  const present = plan.manifest.partitions.map((p) => p.id);
  const settings = { batch: plan.batch, dim: plan.dim, present, countBytes: () => {} };
  const workers = links.map((link, w) => new WorkerStep(link.workerId, [w], link.openStep(), settings));
  const open = {
    requestId: context.requestId,
    dataSet: plan.manifest.name,
    epoch: 1,
    xDtype: plan.xDtype,
    batchRows: plan.batch,
    rowValues: plan.dim,
    alpha: [...plan.alpha],
    sigma: [...plan.sigma],
    temperature: 1,
    timeoutMs: READY_TIMEOUT_MS,
  };
  await Promise.all(workers.map((worker) => worker.open(open, x)));
  const scalars = new Map((await Promise.all(workers.map((worker) => worker.scalars([])))).flatMap((nodes) => [...nodes]));
  const global = mergeUp(scalars, { level: rootLevel(present), index: 0 }, mergeScalars)!;
  await Promise.all(workers.map((worker) => worker.sums([], global, false)));
  for (const worker of workers) worker.close();
}

function stepPlan(manifest: Manifest, batch: number, dim: number): StepPlan {
  return {
    manifest,
    batch,
    dim,
    x: Float64Array.from({ length: batch * dim }, (_, i) => Math.fround(Math.sin(i))),
    xDtype: 'F32',
    alpha: new Float64Array(batch).fill(1),
    sigma: new Float64Array(batch).fill(1),
    temperature: 1,
    labels: undefined,
    eligible: new Float64Array(batch).fill(manifest.rows),
    golden: undefined,
    denoiser: { route: 'rows' },
    massRows: false,
    allowPartial: false,
  };
}

function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0]!, median: sorted[Math.floor(sorted.length / 2)]!, max: sorted[sorted.length - 1]! };
}

function report(flags: BenchFlags, results: readonly Result[]): void {
  const headings = ['D', 'workers', 'KB each way, each', 'echo ms', 'link ms', 'step ms', 'link - echo ms'];
  const of = ({ min, median, max }: Spread): string => `${min.toFixed(2)} / ${median.toFixed(2)} / ${max.toFixed(2)}`;
  const rows = results.map((r) => [
    String(r.dim),
    String(r.workers),
    (r.bytesEachWay / 1000).toFixed(0),
    of(r.echo),
    of(r.link),
    of(r.step),
    r.linkOverEcho.toFixed(2),
  ]);
  const out: string[] = [];
  if (flags.markdown) out.push(...[headings, headings.map(() => '---:'), ...rows].map((row) => `| ${row.join(' | ')} |`));
  else {
    const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
    out.push(...[headings, ...rows].map((row) => row.map((cell, i) => cell.padStart(widths[i]!)).join('  ')));
  }
  const required = results.find((r) => r.dim === 784 && r.workers === 1);
  if (required !== undefined && flags.batch === 32) {
    const verdict = required.linkOverEcho <= REQUIRED_MS ? 'met' : 'NOT met';
    out.push('', `B = 32, D = 784, 1 worker: ${required.linkOverEcho.toFixed(2)} ms over the echo, at most ${REQUIRED_MS} wanted: ${verdict}`);
  }
  out.push(
    '',
    JSON.stringify({
      benchmark: 'data-plane',
      ...environment(),
      batch: flags.batch,
      samples: flags.rounds * flags.steps,
      results: results.map(rounded),
    }),
  );
  process.stdout.write(`${out.join('\n')}\n`);
}

function rounded(result: Result): object {
  const ms = (value: number): number => Number(value.toFixed(3));
  const of = ({ min, median, max }: Spread): Spread => ({ min: ms(min), median: ms(median), max: ms(max) });
  return { ...result, echo: of(result.echo), link: of(result.link), step: of(result.step), linkOverEcho: ms(result.linkOverEcho) };
}

function environment(): object {
  const [first] = cpus();
  let commit = 'unknown';
  try {
    commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      cwd: packageRoot,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    // A copy without version control has no commit to name.
  }
  return {
    machine: `${cpus().length} x ${first?.model.trim() ?? 'unknown'}`,
    commit,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

function option<T>(name: string, placeholder: string, description: string, parser: Parser<T>, fallback: string): Option {
  return new Option(`--${name} <${placeholder}>`, description)
    .argParser((value) => parser(value, `--${name}`))
    .default(parser(fallback, name), fallback);
}

const program = new Command('golddiff bench data-plane')
  .description('one step of a batch between a coordinator and workers that answer at once, against an echo of the same bytes')
  .addOption(option('batch', 'B', 'queries in a step', integer(1, BATCH_ROWS_MAX), '32'))
  .addOption(option('dims', 'D,..', 'values in a row', numberList(1, 200_000), '784,3072,12288'))
  .addOption(option('workers', 'S,..', 'shard workers', numberList(1, 8), '1,2,4,8'))
  .addOption(option('rounds', 'R', 'rounds, interleaved', integer(1, 1_000), '5'))
  .addOption(option('steps', 'N', 'steps of each kind in a round', integer(1, 1_000), '20'))
  .option('--markdown', 'print the table for docs/BENCHMARKS.md')
  .action(async (flags: BenchFlags) => run(flags));

const status = await runCommandLine(program, process.argv.slice(2));
// The IPC channel of `golddiff bench` would keep this process alive.
process.exit(status);
