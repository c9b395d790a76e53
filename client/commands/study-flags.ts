/** Flags that every study has, and what its report says of the data set and the images. */

import type { Command } from 'commander';

import { integer, text } from '../../shared/config.js';
import { argumentError } from '../../shared/errors.js';
import { BATCH_ROWS_DEFAULT, BATCH_ROWS_MAX, SAMPLE_STEPS_DEFAULT, SAMPLE_STEPS_MAX, SEED_MAX } from '../../shared/limits.js';
import type { DataSetInfo } from '../golddiff-client.js';
import type { StudyImages } from '../studies/study-images.js';
import { versions } from '../versions.js';
import { SCHEDULES, type ScheduleWord } from '../vocabulary.js';
import type { ClientSession } from '../with-client.js';
import { clientFlag } from './client-flag.js';
import { addTargetFlags, wordOf, type TargetFlags } from './flags.js';

export interface StudyFlags extends TargetFlags {
  readonly input?: string;
  readonly images: number;
  readonly label?: number;
  readonly steps: number;
  readonly schedule: ScheduleWord;
  readonly seed: number;
  readonly batchRows: number;
  readonly out: string;
  readonly json?: boolean;
}

/** More say no more about medians and worst cases than these, and each is a scan at every level. */
const IMAGES_MAX = 4_096;
const IMAGES_DEFAULT = 16;

export function addStudyFlags(command: Command, out: string): Command {
  return addTargetFlags(command)
    .addOption(
      clientFlag(
        '--input <FILE.npy|SOURCE>',
        'clean images that the data set does not hold (u1, or floats in [-1, 1]); default: rows of --data',
        text,
      ),
    )
    .addOption(
      clientFlag('--images <N>', 'images, the first ones of --input or a seeded choice of rows', integer(1, IMAGES_MAX), String(IMAGES_DEFAULT)),
    )
    .addOption(clientFlag('--label <CLASS>', 'posterior over rows of this class only', integer(0, 2 ** 31 - 1)))
    .addOption(
      clientFlag(
        '--steps <T>',
        'noise levels, as a sampler of so many steps visits them',
        integer(1, SAMPLE_STEPS_MAX),
        String(SAMPLE_STEPS_DEFAULT),
      ),
    )
    .addOption(clientFlag('--schedule <NAME>', Object.keys(SCHEDULES).join(' | '), wordOf(SCHEDULES), 'ddpm-linear'))
    .addOption(clientFlag('--seed <S>', 'of the noise and of the choice of rows', integer(0, SEED_MAX), '0'))
    .addOption(clientFlag('--batch-rows <B>', `queries in one step, 1 to ${BATCH_ROWS_MAX}`, integer(1, BATCH_ROWS_MAX), String(BATCH_ROWS_DEFAULT)))
    .addOption(clientFlag('--out <DIR>', 'folder of the tables and pictures', text, out))
    .option('--json', 'print the report as one line of JSON');
}

/** Rows that the posterior is over. Throws ARGUMENT_INVALID for a class without rows. */
export function eligibleRowsOf(dataSet: DataSetInfo, label: number | undefined): number {
  if (label === undefined) return dataSet.rows;
  const found = dataSet.classes.find((each) => each.label === label);
  if (found === undefined || found.rows === 0) throw argumentError('--label', `a class of ${dataSet.name} that has rows`, label);
  return found.rows;
}

/** What the posterior is over, for titles. */
export function subjectName(dataSet: DataSetInfo, label: number | undefined): string {
  return label === undefined ? dataSet.name : `${dataSet.name}, class ${dataSet.classes.find((each) => each.label === label)?.name ?? label}`;
}

/** The head of every report. */
export function studyReport(dataSet: DataSetInfo, flags: object, images: Omit<StudyImages, 'values'>, { client, cluster }: ClientSession): object {
  const { count, origin, heldOut } = images;
  return {
    versions: versions(),
    dataSet: {
      name: dataSet.name,
      shape: dataSet.shape,
      rows: dataSet.rows,
      partitions: dataSet.partitions.length,
      contentHash: dataSet.contentHash,
    },
    cluster: cluster === undefined ? { endpoint: client.endpoint } : { embedded: true, shards: cluster.workers.length },
    settings: flags,
    images: { count, origin, heldOut },
  };
}
