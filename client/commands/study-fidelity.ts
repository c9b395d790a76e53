/** golddiff study fidelity: how far golden and approximate answers are from exact ones, and whether the server's bounds hold. */

import { Command } from 'commander';

import { text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { argumentError } from '../../shared/errors.js';
import { samplingPath, type PathPoint } from '../../shared/math/noise-schedule.js';
import { makeFolder } from '../atomic-file.js';
import { noisedImages } from '../noised-images.js';
import { startProgress } from '../progress.js';
import { EXACT, fidelityLooks, measureFidelity, type FidelityInput } from '../studies/fidelity.js';
import { fidelitySummary, writeFidelityStudy } from '../studies/fidelity-report.js';
import { defaultMethods, METHOD_FORMS, parseMethod, type Method } from '../studies/method.js';
import { readStudyImages } from '../studies/study-images.js';
import { markdownTable } from '../studies/table.js';
import { SCHEDULES } from '../vocabulary.js';
import { withClient } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addDenoiserFlags, chosenDenoisers, denoiserSettings, type DenoiserFlags } from './study-denoisers.js';
import { runOracle } from './study-oracle.js';
import { addStudyFlags, eligibleRowsOf, studyReport, subjectName, type StudyFlags } from './study-flags.js';

export interface FidelityFlags extends StudyFlags, DenoiserFlags {
  readonly method?: readonly string[];
  readonly oracle?: string;
}

export function fidelityCommand(): Command {
  const command = new Command('fidelity').description('errors of golden and approximate answers against exact ones, beside the bounds of the server');
  return addDenoiserFlags(addStudyFlags(command, 'out/fidelity'))
    .option('--method <SPEC>', `what to compare, may be repeated: ${METHOD_FORMS}`, (value: string, before: string[] = []) => [
      ...before,
      text(value, '--method'),
    ])
    .addOption(
      clientFlag(
        '--oracle <DIR>',
        'compare with a neural denoiser instead, by its trajectories: x_t.npy, x0hat.npy and timesteps.npy (docs/STUDIES.md)',
        text,
      ),
    )
    .action(async (flags: FidelityFlags, self: Command) => (flags.oracle === undefined ? run(flags) : runOracle(flags, flags.oracle, self)));
}

async function run(flags: FidelityFlags): Promise<void> {
  if (flags.endpoint !== undefined && flags.input === undefined)
    throw argumentError('--input', 'images (.npy, or a source such as idx:FILE) beside --endpoint, as a cluster does not give out its rows,', 'none');
  // Before a cluster is started: what is wrong with any number of rows.
  flags.method?.forEach((spec) => parseMethod(spec, Number.MAX_SAFE_INTEGER));
  const settings = denoiserSettings(flags);
  await makeFolder(flags.out);
  const startedMs = performance.now();
  await withClient(flags, async (session) => {
    const { client, signal } = session;
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const rows = eligibleRowsOf(dataSet, flags.label);
    const { values: clean, ...images } = await readStudyImages(
      { input: flags.input, dataDir: flags.data, count: flags.images, seed: flags.seed, label: flags.label, shape: dataSet.shape },
      signal,
    );
    const size = clean.length / images.count;
    const levels = samplingPath(SCHEDULES[flags.schedule], flags.steps);
    const queriesAt = (level: PathPoint): Float64Array => noisedImages(clean, images.count, level, flags.seed);
    const input: FidelityInput = defined({
      dataSet: dataSet.name,
      denoisers: await chosenDenoisers(flags.denoiser, session, dataSet, levels[0]!),
      settings,
      methods: methodsFor(flags, rows),
      levels,
      queriesAt,
      count: images.count,
      clean,
      label: flags.label,
      seed: flags.seed,
      batchRows: flags.batchRows,
    });
    const bar = startProgress('comparing', fidelityLooks(input), 'looks');
    const study = await measureFidelity(client, input, signal, (done, note) => bar.update(done, note)).finally(() => bar.stop());
    const { points, refused } = study;
    const report = { ...studyReport(dataSet, flags, images, session), points, refused, seconds: (performance.now() - startedMs) / 1000 };
    const names = await writeFidelityStudy(
      flags.out,
      study,
      {
        name: subjectName(dataSet, flags.label),
        rows,
        count: images.count,
        queries: `${images.origin}, noised`,
        shape: [dataSet.shape[0]!, dataSet.shape[1]!, dataSet.shape[2]!],
        levels: input.levels,
        firstNoisy: (level) => queriesAt(level).subarray(0, size),
      },
      report,
    );
    if (flags.json) process.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      const lines = [
        `${subjectName(dataSet, flags.label)}, ${rows.toLocaleString('en-US')} rows: ${images.count} ${images.origin}, noised to ${flags.steps} levels, against the exact scan`,
        '',
        markdownTable(fidelitySummary(study, rows)),
        ...refused.map(({ denoiser, method, reason }) => `not served: ${denoiser} with ${method}: ${reason}`),
        `${names.join(', ')} in ${flags.out}`,
      ];
      process.stdout.write(`${lines.join('\n')}\n`);
    }
  });
}

function methodsFor(flags: FidelityFlags, rows: number): Method[] {
  const methods = flags.method?.map((spec) => parseMethod(spec, rows)).filter(({ name }) => name !== EXACT) ?? defaultMethods(rows);
  const twice = methods.find((method, i) => methods.findIndex(({ name }) => name === method.name) < i);
  if (twice !== undefined) throw argumentError('--method', 'each method once', twice.name);
  return methods;
}
