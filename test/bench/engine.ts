/**
 * golddiff bench engine: the compute of a step against rivals and against what the machine allows, in one run.
 *
 *   exact          exact optimal step against float32 BLAS (numpy, torch) and TensorFlow.js on wasm
 *   golden         GoldDiff against the exact step at low noise; its search part against FAISS flat
 *   pca            GoldDiff and exact steps of the pca denoiser against torch with a dense mask
 *   statistics     covariance and SPD solve in double against numpy
 *   local-workers  four worker processes against one, and against one process without a coordinator
 *   scaling        golden step against the number of rows, by scan and by index
 *
 * Every contestant has a process of its own; rounds of all are interleaved; ratios are of medians. docs/BENCHMARKS.md tells how to read it.
 */

import { numberList } from './number-list.js';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Argument, Command, Option } from 'commander';

import { integer, oneOf, runCommandLine, type Parser } from '../../shared/config.js';
import { argumentError } from '../../shared/errors.js';
import { packageRoot } from '../../shared/package-root.js';
import { startContestants, threadsDefault, type RivalKind } from './engine/contestants.js';
import type { BenchContext, BenchFlags } from './engine/bench-context.js';
import { BATCH_MAX } from './engine/bench-data.js';
import { environment } from './engine/environment.js';
import { benchExact } from './engine/exact.js';
import { benchGolden } from './engine/golden.js';
import { benchLocalWorkers } from './engine/local-workers.js';
import { MEASURED_BACKENDS } from './engine/open-backend.js';
import { benchPca } from './engine/pca.js';
import { benchScaling } from './engine/scaling.js';
import { benchStatistics } from './engine/statistics.js';
import { isMet, renderSection, type Section } from './engine/tables.js';

interface SubBenchmark {
  readonly rivals: readonly RivalKind[];
  readonly run: (context: BenchContext) => Promise<Section>;
}

const SUB_BENCHMARKS: Readonly<Record<string, SubBenchmark>> = {
  exact: { rivals: ['numpy', 'torch', 'tfjs'], run: benchExact },
  golden: { rivals: ['faiss'], run: benchGolden },
  pca: { rivals: ['torch'], run: benchPca },
  statistics: { rivals: ['numpy'], run: benchStatistics },
  'local-workers': { rivals: [], run: benchLocalWorkers },
  scaling: { rivals: [], run: (context) => benchScaling(context) },
};
const RESULTS_FILE = 'test/bench/results.ndjson';

interface EngineFlags extends BenchFlags {
  readonly save?: boolean;
  readonly markdown?: boolean;
  readonly folder?: string;
  readonly tfjs?: string;
}

async function run(names: readonly string[], flags: EngineFlags): Promise<void> {
  const folder = flags.folder ?? (await mkdtemp(path.join(tmpdir(), 'golddiff-engine-')));
  const interrupt = (): void => process.exit(1);
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  const progress = (line: string): void => void process.stderr.write(`${line}\n`);
  const where = environment(process.argv.slice(2));
  const parts: string[] = [];
  const results: Record<string, object> = {};
  const rivals = new Map<string, object>();
  try {
    for (const name of names) {
      const benchmark = SUB_BENCHMARKS[name]!;
      const contestants = await startContestants({ ...flags, folder, rivals: benchmark.rivals });
      try {
        for (const { process: rival, about } of contestants.rivals) rivals.set(rival.name, about);
        const section = await benchmark.run({ flags, folder, contestants, progress });
        results[name] = section.results;
        results[`${name} requirements`] = section.requirements.map((requirement) => ({ ...requirement, met: isMet(requirement) }));
        parts.push(renderSection({ ...section, notes: [...section.notes, ...contestants.notes] }, flags.markdown === true));
      } finally {
        await contestants.stop();
      }
    }
  } finally {
    if (flags.folder === undefined) await rm(folder, { recursive: true, force: true });
  }
  const { backend, threads, rounds, partitions } = flags;
  const line = JSON.stringify({ benchmark: 'engine', ...where, backend, threads, rounds, partitions, rivals: Object.fromEntries(rivals), results });
  const heading = `${where.cores} x ${where.machine}, node ${where.node}, commit ${where.commit}, ${where.date}: ${where.command}; backend ${backend}, ${threads} threads, load average ${where.loadAverage} at the start`;
  process.stdout.write(`${[heading, ...parts].join('\n\n')}\n`);
  if (flags.save === true) {
    await appendFile(path.join(packageRoot, RESULTS_FILE), `${line}\n`);
    progress(`one line added to ${RESULTS_FILE}`);
  }
}

function option<T>(name: string, placeholder: string, description: string, parser: Parser<T>, fallback?: string): Option {
  const made = new Option(`--${name} <${placeholder}>`, description).argParser((value) => parser(value, `--${name}`));
  return fallback === undefined ? made : made.default(parser(fallback, name), fallback);
}

const names = Object.keys(SUB_BENCHMARKS);
const text: Parser<string> = (value) => value;
const program = new Command('golddiff bench engine')
  .description('the compute of a step against rivals and against what the machine allows')
  .addArgument(new Argument('[names...]', `of ${names.join(', ')}; all where none is named`))
  .addOption(option('backend', 'NAME', 'what is measured', oneOf(MEASURED_BACKENDS), 'native'))
  .addOption(option('threads', 'N', 'compute threads of engine and rivals', integer(1, 1_024), String(threadsDefault())))
  .addOption(option('rounds', 'R', 'rounds, interleaved', integer(1, 1_000), '5'))
  .addOption(option('budget', 'MS', 'of one contestant in one round', integer(1, 600_000), '200'))
  .addOption(option('partitions', 'P', 'partitions of the rows in one process', integer(1, 1_024), '4'))
  .addOption(option('batches', 'B,..', 'exact: queries in a step', numberList(1, BATCH_MAX), '1,8,16,32'))
  .addOption(option('rows', 'N', 'caps every data set, for a first look', integer(64, 60_000)))
  .addOption(option('folder', 'DIR', 'keeps data and programs there for the next run', text))
  .addOption(option('tfjs', 'DIR', 'exact: a folder whose node_modules hold TensorFlow.js and its wasm backend', text))
  .option('--install', 'install rivals that are missing (Debian packages as root, TensorFlow.js into a temporary folder)', false)
  .option('--save', `append one JSON line to ${RESULTS_FILE}`)
  .option('--markdown', 'print the tables for docs/BENCHMARKS.md')
  .action(async (wanted: string[], flags: EngineFlags) => {
    const unknown = wanted.find((name) => SUB_BENCHMARKS[name] === undefined);
    if (unknown !== undefined) throw argumentError('names', `one of ${names.join(', ')}`, unknown);
    await run(wanted.length === 0 ? names : wanted, flags);
  });

const status = await runCommandLine(program, process.argv.slice(2));
// The IPC channel of `golddiff bench` would keep this process alive.
process.exit(status);
