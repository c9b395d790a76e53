/**
 * npm run test:scale-out: strong and weak scaling on 1, 2, 4 and 8 workers, and workers that come and go while jobs run, by the /metrics of real processes. Ends with
 * status 1 where a check does not hold; where all do, docs/SCALING.md and its pictures are written anew.
 */

import path from 'node:path';
import { Command, Option } from 'commander';
import { markdownTable } from '../../client/studies/table.js';
import { EXIT_FAILED, integer, runCommandLine } from '../../shared/config.js';
import { packageRoot } from '../../shared/package-root.js';
import { environment } from '../bench/engine/environment.js';
import { importMnist } from '../support/data-sets.js';
import { natsMissing, startNats } from '../support/nats-server.js';
import { batchCases } from './batches.js';
import { changeChecks } from './change-checks.js';
import { changeUnderJobs, type ChangeReport } from './changing-fleet.js';
import { strongChecks, weakChecks, type Check } from './checks.js';
import { changeTable, figuresTable, writeReport } from './report.js';
import { measureSizes } from './sizes.js';

const SIZES = [1, 2, 4, 8] as const;
const CHANGE_SIZES = [2, 8, 3] as const;
const BATCH = 16;
/** Two for each worker of the largest cluster. */
const PARTITIONS = 16;
const MEASURE = { warmUpSteps: 5, steps: 20, budgetMs: 1_500 } as const;
const ONCE = { warmUpSteps: 0, steps: 1, budgetMs: 0 } as const;
const JOB = { count: 256, steps: 10, batchRows: 64, retrieval: { kind: 'golden' } } as const;
const JOB_SEEDS = [1, 2, 3] as const;
const REST_MS = 4_000;

interface Flags {
  readonly rows: number;
  readonly out: string;
}

/** @returns whether every check held */
async function run({ rows, out }: Flags): Promise<boolean> {
  const started = performance.now();
  const where = environment([]);
  const progress = (sentence: string): void => void process.stderr.write(`${Math.round((performance.now() - started) / 1000)} s  ${sentence}\n`);
  const cases = batchCases(BATCH);
  const whole = await importMnist(0, rows, PARTITIONS);
  const common = { cases, onProgress: progress };
  const strong = await measureSizes({ ...common, dataDir: whole, sizes: SIZES, measure: MEASURE });

  const largest = SIZES.at(-1)!;
  const weak = [];
  const alone = strong.filter((m) => m.workers === 1);
  for (const workers of SIZES.slice(0, -1)) {
    const dataDir = await importMnist(0, (rows / largest) * workers, (PARTITIONS / largest) * workers);
    const measured = await measureSizes({ ...common, dataDir, sizes: [workers], measure: MEASURE });
    weak.push(...measured);
    alone.push(...(await measureSizes({ ...common, dataDir, sizes: [1], measure: ONCE })));
  }
  weak.push(...strong.filter((m) => m.workers === largest));

  const change = await changes(whole, progress);
  const checks = [...strongChecks(strong), ...weakChecks(weak, alone), ...changeChecks(change)];
  for (const [title, table] of [
    ['Strong scaling', figuresTable(strong)],
    ['Weak scaling', figuresTable(weak)],
    [`Workers come and go (${change.controlPlane})`, changeTable(change)],
    ['Checks', { header: ['held', 'check', 'figures'], rows: checks.map((c) => [c.held ? 'yes' : 'NO', c.name, c.detail]) }],
  ] as const)
    process.stdout.write(`\n${title}\n\n${markdownTable(table)}`);
  const broken = brokenOf(checks);
  process.stdout.write(`\n${checks.length - broken.length} of ${checks.length} checks held\n`);
  if (broken.length > 0) {
    for (const { name, detail } of broken) process.stdout.write(`not held: ${name} (${detail})\n`);
    return false;
  }
  const files = await writeReport(out, { strong, weak, change, checks, ...where, command: 'npm run test:scale-out' });
  progress(`written to ${out}: ${files.join(', ')}`);
  return true;
}

async function changes(dataDir: string, progress: (sentence: string) => void): Promise<ChangeReport> {
  const requests = JOB_SEEDS.map((seed) => ({ ...JOB, seed }));
  const settings = { dataDir, sizes: CHANGE_SIZES, requests, restMs: REST_MS, onProgress: progress };
  if (natsMissing !== undefined) {
    progress(`${natsMissing}: jobs are kept by the coordinator`);
    return changeUnderJobs({ ...settings, replicas: 1 });
  }
  const nats = await startNats();
  try {
    return await changeUnderJobs({ ...settings, replicas: 2, coordinators: 2, nats: nats.addresses });
  } finally {
    await nats.dispose();
  }
}

function brokenOf(checks: readonly Check[]): Check[] {
  return checks.filter(({ held }) => !held);
}

// Children end with this process, and the bootstrap's channel is its life.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
// Stays so where only the help was asked for.
let held = true;
const program = new Command('test:scale-out')
  .description('scale-out tests; writes docs/SCALING.md')
  .addOption(
    new Option('--rows <N>', 'MNIST rows of the largest data set, a multiple of 16')
      .argParser((text) => integer(1_600, 60_000)(text, '--rows'))
      .default(60_000),
  )
  .addOption(new Option('--out <DIR>', 'where SCALING.md and images/ go').default(path.join(packageRoot, 'docs')))
  .action(async (flags: Flags) => {
    held = await run(flags);
  });
const status = await runCommandLine(program, process.argv.slice(2));
process.exit(status === 0 && !held ? EXIT_FAILED : status);
