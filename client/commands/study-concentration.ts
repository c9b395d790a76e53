/** golddiff study concentration: how many rows matter at each noise level of a data set, and which golden sizes follow for an error. */

import { Command } from 'commander';

import { real } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { makeFolder } from '../atomic-file.js';
import { startProgress } from '../progress.js';
import {
  concentrationAdvice,
  concentrationTable,
  studyConcentration,
  writeConcentrationStudy,
  type ConcentrationStudyInput,
} from '../studies/concentration-study.js';
import { readStudyImages } from '../studies/study-images.js';
import { markdownTable } from '../studies/table.js';
import { SCHEDULES } from '../vocabulary.js';
import { withClient } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addStudyFlags, eligibleRowsOf, studyReport, subjectName, type StudyFlags } from './study-flags.js';

interface ConcentrationFlags extends StudyFlags {
  readonly maxError: number;
}

/** Below this rounding of log Z is no longer small beside the mass that is asked about. */
const MAX_ERROR_MIN = 1e-5;

export function concentrationCommand(): Command {
  const command = new Command('concentration').description(
    'effective support, rows that hold 50, 90 and 99% of the mass, log Z and largest weight against noise',
  );
  return addStudyFlags(command, 'out/concentration')
    .addOption(
      clientFlag(
        '--max-error <E>',
        'suggest k-min and k-max for an error of a pixel of at most E on [0, 1] images',
        real(MAX_ERROR_MIN, 0.5),
        '0.05',
      ),
    )
    .action(async (flags: ConcentrationFlags) => run(flags));
}

async function run(flags: ConcentrationFlags): Promise<void> {
  if (flags.endpoint !== undefined && flags.input === undefined)
    throw argumentError('--input', 'images (.npy, or a source such as idx:FILE) beside --endpoint, as a cluster does not give out its rows,', 'none');
  // Before minutes are spent: where the results cannot be written.
  await makeFolder(flags.out);
  const startedMs = performance.now();
  await withClient(flags, async (session) => {
    const { client, signal } = session;
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const eligibleRows = eligibleRowsOf(dataSet, flags.label);
    const { values, ...images } = await readStudyImages(
      { input: flags.input, dataDir: flags.data, count: flags.images, seed: flags.seed, label: flags.label, shape: dataSet.shape },
      signal,
    );
    const input: ConcentrationStudyInput = defined({
      dataSet: dataSet.name,
      images: values,
      count: images.count,
      steps: flags.steps,
      schedule: SCHEDULES[flags.schedule],
      seed: flags.seed,
      label: flags.label,
      batchRows: flags.batchRows,
      eligibleRows,
      maxError: flags.maxError,
    });
    const bar = startProgress('measuring', 2 * flags.steps, 'looks');
    const study = await studyConcentration(client, input, signal, (done, note) => bar.update(done, note)).finally(() => bar.stop());
    const subject = { name: subjectName(dataSet, flags.label), rows: eligibleRows, queries: images.origin };
    const report = { ...studyReport(dataSet, flags, images, session), ...study, seconds: (performance.now() - startedMs) / 1000 };
    const names = await writeConcentrationStudy(flags.out, study, subject, report);
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      const lines = [
        `${subject.name}, ${eligibleRows.toLocaleString('en-US')} rows: exact posterior of ${images.count} ${images.origin}, noised; medians`,
        '',
        markdownTable(concentrationTable(study)),
        ...concentrationAdvice(study, eligibleRows),
        '',
        `${names.join(', ')} in ${flags.out}`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    }
  });
}
