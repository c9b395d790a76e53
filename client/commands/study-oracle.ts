/** golddiff study fidelity --oracle DIR: MSE and r^2 against the trajectories of a neural denoiser. */

import type { Command } from 'commander';

import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { makeFolder } from '../atomic-file.js';
import { startProgress } from '../progress.js';
import { parseMethod, type Method } from '../studies/method.js';
import { readOracle } from '../studies/oracle.js';
import { oracleSummary, writeOracleStudy } from '../studies/oracle-report.js';
import { oracleLooks, studyOracle, type OracleStudyInput } from '../studies/oracle-study.js';
import { markdownTable } from '../studies/table.js';
import { SCHEDULES } from '../vocabulary.js';
import { withClient } from '../with-client.js';
import { chosenDenoisers, denoiserSettings } from './study-denoisers.js';
import type { FidelityFlags } from './study-fidelity.js';
import { eligibleRowsOf, studyReport, subjectName } from './study-flags.js';

/** What is compared with the oracle where nothing is named. */
const METHODS_DEFAULT = ['exact', 'paper'];
/** They say which images and levels; here the oracle does. */
const IDLE_FLAGS = ['input', 'images', 'steps'] as const;

/** Errors: ARGUMENT_INVALID for a flag that would have no effect; FILE_INVALID where the oracle's arrays do not fit each other or the data set. */
export async function runOracle(flags: FidelityFlags, dir: string, command: Command): Promise<void> {
  const idle = IDLE_FLAGS.find((name) => command.getOptionValueSource(name) === 'cli');
  if (idle !== undefined)
    throw argumentError('--oracle', `no --${idle}, as its arrays say the images and levels,`, `--${idle} ${String(flags[idle])}`);
  const settings = denoiserSettings(flags);
  await makeFolder(flags.out);
  const startedMs = performance.now();
  await withClient(flags, async (session) => {
    const { client, signal } = session;
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const rows = eligibleRowsOf(dataSet, flags.label);
    const oracle = await readOracle(dir, SCHEDULES[flags.schedule], dataSet.shape);
    const methods: Method[] = (flags.method ?? METHODS_DEFAULT).map((spec) => parseMethod(spec, rows));
    const input: OracleStudyInput = defined({
      dataSet: dataSet.name,
      oracle,
      denoisers: await chosenDenoisers(flags.denoiser, session, dataSet, oracle.levels[0]!),
      settings,
      methods,
      label: flags.label,
      seed: flags.seed,
      batchRows: flags.batchRows,
    });
    const bar = startProgress('comparing', oracleLooks(input), 'looks');
    const study = await studyOracle(client, input, signal, (done, note) => bar.update(done, note)).finally(() => bar.stop());
    const images = { count: oracle.count, origin: `samples of the oracle in ${dir}`, heldOut: true };
    const report = { ...studyReport(dataSet, flags, images, session), points: study.points, seconds: (performance.now() - startedMs) / 1000 };
    const subject = {
      name: subjectName(dataSet, flags.label),
      rows,
      oracle,
      shape: [dataSet.shape[0]!, dataSet.shape[1]!, dataSet.shape[2]!],
    } as const;
    const names = await writeOracleStudy(flags.out, study, subject, report);
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      const lines = [
        `${subject.name}, ${rows.toLocaleString('en-US')} rows, against ${oracle.count} samples of the oracle at ${oracle.levels.length} steps`,
        '',
        markdownTable(oracleSummary(study)),
        `${names.join(', ')} in ${flags.out}`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    }
  });
}
