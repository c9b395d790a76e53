/**
 * npm run test:faults [-- NAME_PART ..]: everything that is broken on purpose, one after the other, under load. Prints the figures of each and ends with one line: N
 * passed, N failed, N skipped. A run of all of them in which nothing failed writes the table of docs/RELIABILITY.md anew.
 */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Command, Option } from 'commander';
import { writeFileAtomically } from '../../client/atomic-file.js';
import { EXIT_FAILED, runCommandLine } from '../../shared/config.js';
import { packageRoot } from '../../shared/package-root.js';
import { environment } from '../bench/engine/environment.js';
import { FAULTS } from './all-faults.js';
import { figuresText, withTable, type FaultOutcome } from './report.js';

/** @returns whether none failed */
async function run(parts: readonly string[], report: string): Promise<boolean> {
  const wanted = FAULTS.filter(({ name }) => parts.length === 0 || parts.some((part) => name.includes(part)));
  const made = environment([]);
  const started = performance.now();
  const outcomes: FaultOutcome[] = [];
  let failed = 0;
  for (const fault of wanted) {
    if (fault.skip !== undefined) {
      outcomes.push({ fault, figures: undefined });
      process.stdout.write(`skip  ${fault.name}: ${fault.skip}\n`);
      continue;
    }
    try {
      const figures = await fault.run();
      outcomes.push({ fault, figures });
      process.stdout.write(`ok    ${fault.name}\n      ${figuresText(figures)}\n`);
    } catch (thrown) {
      failed++;
      process.stdout.write(`FAIL  ${fault.name}\n${String((thrown as Error).stack ?? thrown).replace(/^/gm, '      ')}\n`);
    }
  }
  const passed = outcomes.filter(({ figures }) => figures !== undefined).length;
  const all = wanted.length === FAULTS.length;
  if (all && failed === 0) {
    const seconds = (performance.now() - started) / 1_000;
    const text = withTable(await readFile(report, 'utf8'), { ...made, outcomes, command: 'npm run test:faults', seconds });
    await writeFileAtomically(report, text);
    process.stdout.write(`written to ${report}\n`);
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed, ${outcomes.length - passed} skipped\n`);
  return failed === 0 && wanted.length > 0;
}

// Children end with this process, and the bootstrap's channel is its life.
process.on('disconnect', () => process.exit(1));
process.channel?.unref();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
// Every server that is started wants to be told.
process.setMaxListeners(100);
let held = true;
const program = new Command('test:faults')
  .description('breaks things under load, and asserts the same bytes or a declared error; writes the table of docs/RELIABILITY.md')
  .argument('[parts...]', 'faults whose names contain one of these; then nothing is written')
  .addOption(new Option('--report <FILE>', 'the document with the table').default(path.join(packageRoot, 'docs/RELIABILITY.md')))
  .action(async (parts: string[], flags: { readonly report: string }) => {
    held = await run(parts, flags.report);
  });
const status = await runCommandLine(program, process.argv.slice(2));
process.exit(status === 0 && !held ? EXIT_FAILED : status);
