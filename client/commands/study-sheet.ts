/** golddiff study sheet: one picture of what every denoiser makes of the same noise. */

import path from 'node:path';

import { Command } from 'commander';

import { integer, real, text } from '../../shared/config.js';
import { defined } from '../../shared/defined.js';
import { BATCH_ROWS_DEFAULT, BATCH_ROWS_MAX, PATCH_SIZE_MAX, SAMPLE_STEPS_DEFAULT, SAMPLE_STEPS_MAX, SEED_MAX } from '../../shared/limits.js';
import { makeFolder, writeFileAtomically } from '../atomic-file.js';
import { startProgress } from '../progress.js';
import { sampleSheet, SHEET_ROWS, sheetPng, sheetTable, type SheetSampling } from '../studies/sample-sheet.js';
import { markdownTable } from '../studies/table.js';
import { versions } from '../versions.js';
import { withClient } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTargetFlags, type TargetFlags } from './flags.js';
import { eligibleRowsOf, subjectName } from './study-flags.js';

interface SheetFlags extends TargetFlags {
  readonly images: number;
  readonly label?: number;
  readonly steps: number;
  readonly seed: number;
  readonly batchRows: number;
  readonly maskThreshold?: number;
  readonly patchSize?: number;
  readonly out: string;
  readonly json?: boolean;
}

/** More columns make no page. */
const IMAGES_MAX = 32;

export function sheetCommand(): Command {
  const names = SHEET_ROWS.map(({ label }) => label).join(', ');
  return addTargetFlags(new Command('sheet').description(`samples of ${names} from the same noise, as one picture`))
    .addOption(clientFlag('--images <N>', 'samples of each', integer(1, IMAGES_MAX), '8'))
    .addOption(clientFlag('--label <CLASS>', 'samples of this class only', integer(0, 2 ** 31 - 1)))
    .addOption(clientFlag('--steps <T>', 'DDIM steps', integer(1, SAMPLE_STEPS_MAX), String(SAMPLE_STEPS_DEFAULT)))
    .addOption(clientFlag('--seed <S>', 'of the noise', integer(0, SEED_MAX), '0'))
    .addOption(clientFlag('--batch-rows <B>', `queries in one step, 1 to ${BATCH_ROWS_MAX}`, integer(1, BATCH_ROWS_MAX), String(BATCH_ROWS_DEFAULT)))
    .addOption(clientFlag('--mask-threshold <SHARE>', 'pca: mask entries below this share of the largest are 0 (default .02)', real(0, 1, true)))
    .addOption(clientFlag('--patch-size <PIXELS>', 'patch: pixels per side, odd (default by noise level, as published)', integer(1, PATCH_SIZE_MAX)))
    .addOption(clientFlag('--out <FILE.png>', 'the picture', text, path.join('out', 'sheet.png')))
    .option('--json', 'print the report as one line of JSON')
    .action(async (flags: SheetFlags) => run(flags));
}

async function run(flags: SheetFlags): Promise<void> {
  const { maskThreshold, patchSize, out } = flags;
  // Before minutes are spent: where the picture cannot be written.
  await makeFolder(path.dirname(out));
  await withClient(flags, async ({ client, signal }) => {
    const dataSet = await client.datasets.get(flags.dataSet, { signal });
    const rows = eligibleRowsOf(dataSet, flags.label);
    const sampling: SheetSampling = defined({
      dataSet: dataSet.name,
      count: flags.images,
      steps: flags.steps,
      seed: flags.seed,
      sampler: 'ddim' as const,
      schedule: 'ddpm-linear' as const,
      batchRows: flags.batchRows,
      labels: flags.label,
    });
    const settings = {
      ...(maskThreshold === undefined ? {} : { pca: { maskThreshold } }),
      ...(patchSize === undefined ? {} : { patch: { patchSize } }),
    };
    const bar = startProgress('sampling', SHEET_ROWS.length, 'denoisers');
    const sheet = await sampleSheet(client, sampling, settings, signal, (done, label) => bar.update(done, label)).finally(() => bar.stop());
    const title = `${subjectName(dataSet, flags.label)}, ${rows.toLocaleString('en-US')} rows: ${flags.steps} DDIM steps, each column from the same noise`;
    await writeFileAtomically(out, await sheetPng(title, sheet, flags.images));
    if (flags.json) {
      const samples = sheet.map(({ images: _, ...row }) => row);
      const { name, contentHash } = dataSet;
      process.stdout.write(`${JSON.stringify({ versions: versions(), dataSet: { name, rows, contentHash }, settings: flags, samples })}\n`);
    } else process.stdout.write(`${markdownTable(sheetTable(sheet, rows, flags.images * flags.steps))}\n${title}: ${out}\n`);
  });
}
