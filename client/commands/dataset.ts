/** `golddiff dataset import` and `golddiff dataset inspect`; what is done in an object store is in dataset-store.ts. */

import path from 'node:path';
import { Command } from 'commander';
import { integer, oneOf, text } from '../../shared/config.js';
import { openDataSet, verifyFile, type DataSet } from '../../shared/dataset/data-set.js';
import { GolddiffError } from '../../shared/errors.js';
import { PARTITIONS_DEFAULT, PARTITIONS_MAX, SEED_MAX } from '../../shared/limits.js';
import { importDataSet } from '../import/import-data-set.js';
import { drawMeanImage, readMeanImage, writeMeanImage } from '../import/mean-image.js';
import { EMOJI_SIZE_DEFAULT, IMAGE_SIZE_DEFAULT, IMAGE_SIZE_MAX, SOURCE_FORMS } from '../import/open-source.js';
import { listenForInterrupts } from '../interrupts.js';
import { startProgress, type Progress } from '../progress.js';
import { listCommand, pushCommand, removeCommand } from './dataset-store.js';

interface ImportFlags {
  readonly out: string;
  readonly partitions?: number;
  readonly seed?: number;
  readonly limit?: number;
  readonly first?: number;
  readonly name?: string;
  readonly size?: number;
  readonly channels?: 'rgb' | 'grey';
  readonly force?: boolean;
  readonly ifAbsent?: boolean;
  readonly json?: boolean;
}

interface InspectFlags {
  readonly verify?: boolean;
  readonly json?: boolean;
  readonly meanImage?: string;
}

export function datasetCommand(): Command {
  const command = new Command('dataset').description('import data sets, look at them, and put them where a cluster finds them');
  command
    .command('import')
    .description('turn a source into a data set folder')
    .argument('<source>', SOURCE_FORMS)
    .requiredOption('--out <dir>', 'folder to make', reads('--out', text))
    .option(
      '--partitions <count>',
      `pieces that can lie on different workers (default ${PARTITIONS_DEFAULT})`,
      reads('--partitions', integer(1, PARTITIONS_MAX)),
    )
    .option('--seed <number>', 'of the assignment of rows to partitions (default 0)', reads('--seed', integer(0, SEED_MAX)))
    .option('--limit <rows>', 'import at most so many rows', reads('--limit', integer(1, Number.MAX_SAFE_INTEGER)))
    .option('--first <row>', 'pass over the rows before this one', reads('--first', integer(0, Number.MAX_SAFE_INTEGER)))
    .option('--name <name>', 'name of the data set (default: from the source)', reads('--name', text))
    .option(
      '--size <pixels>',
      `side of the square images, for images:DIR (default ${IMAGE_SIZE_DEFAULT}) and emoji (default ${EMOJI_SIZE_DEFAULT})`,
      reads('--size', integer(1, IMAGE_SIZE_MAX)),
    )
    .option('--channels <channels>', 'rgb or grey, for images:DIR and emoji (default rgb)', reads('--channels', oneOf(['rgb', 'grey'])))
    .option('--force', 'replace a data set that is there')
    .option('--if-absent', 'take a data set that is there as it is, with status 0, where this import would make the same again')
    .option('--json', 'print the manifest')
    .action(runImport);
  command
    .command('inspect')
    .description('show shape, rows, classes, partitions and the mean image')
    .argument('<dir>', 'folder of a data set')
    .option('--verify', 'hash every file again; status 1 where one is not what the manifest says')
    .option('--mean-image <file>', 'write the mean image as PNG', reads('--mean-image', text))
    .option('--json', 'print one JSON document')
    .action(runInspect);
  for (const stored of [pushCommand(), listCommand(), removeCommand()]) command.addCommand(stored);
  return command;
}

function reads<T>(name: string, parser: (value: string, flag: string) => T): (value: string) => T {
  return (value) => parser(value, name);
}

async function runImport(source: string, flags: ImportFlags): Promise<void> {
  const interrupts = listenForInterrupts();
  let progress: Progress | undefined;
  let fetching: Progress | undefined;
  try {
    const { manifest, dir, resumedRows, wasThere } = await importDataSet({
      ...flags,
      source,
      signal: interrupts.signal,
      onFetch: (done, total, name) => {
        fetching ??= startProgress('Fetching', total, 'packages');
        fetching.update(done, name);
        if (done === total) fetching.stop();
      },
      onProgress: ({ rows, rowsTotal }) => {
        progress ??= startProgress('Importing', rowsTotal, 'rows');
        progress.update(rows);
      },
    });
    progress?.stop();
    if (flags.json) {
      print(JSON.stringify({ dir, resumedRows, wasThere, manifest }, null, 2));
    } else {
      const resumed = wasThere ? ', there already' : resumedRows > 0 ? `, ${resumedRows} of them from an import that was interrupted` : '';
      print(
        `${manifest.name}: ${manifest.rows} rows of [${manifest.shape.join(', ')}] ${manifest.dtype} in ${manifest.partitions.length} partitions${resumed}`,
      );
      print(dir);
    }
  } finally {
    fetching?.stop();
    progress?.stop();
    interrupts.release();
  }
}

async function runInspect(dir: string, flags: InspectFlags): Promise<void> {
  const interrupts = listenForInterrupts();
  try {
    const dataSet = await openDataSet(dir);
    const bad = flags.verify ? await verifyAll(dataSet, interrupts.signal) : undefined;
    if (flags.json) {
      print(JSON.stringify({ dir: dataSet.dir, manifest: dataSet.manifest, ...(bad && { verified: bad.length === 0, bad }) }, null, 2));
    } else {
      for (const line of describe(dataSet)) print(line);
      if (bad?.length === 0) print(`verified   ${dataSet.manifest.partitions.length + 1} files`);
    }
    if (bad && bad.length > 0) throw new GolddiffError('FILE_INVALID', bad.map(({ reason }) => reason).join('; '), { file: bad[0]!.file });
    if (flags.meanImage !== undefined) await writeMeanImage(await readMeanImage(dataSet), flags.meanImage);
    if (!flags.json && process.stdout.isTTY) print(await drawMeanImage(await readMeanImage(dataSet)));
  } finally {
    interrupts.release();
  }
}

/** Files that are not what the manifest says, each with a sentence. */
async function verifyAll({ dir, manifest }: DataSet, signal: AbortSignal): Promise<{ file: string; reason: string }[]> {
  const bytes = manifest.partitions.reduce((sum, partition) => sum + partition.bytes, 0);
  const progress = startProgress('Verifying', bytes, 'bytes');
  const bad: { file: string; reason: string }[] = [];
  let done = 0;
  try {
    for (const entry of [...manifest.partitions, { ...manifest.statistics, bytes: undefined }]) {
      try {
        await verifyFile(path.join(dir, entry.file), entry.sha256, entry.bytes, signal);
      } catch (thrown) {
        if (!(thrown instanceof GolddiffError) || thrown.code !== 'FILE_INVALID') throw thrown;
        bad.push({ file: entry.file, reason: thrown.message });
      }
      done += entry.bytes ?? 0;
      progress.update(done);
    }
  } finally {
    progress.stop();
  }
  return bad;
}

function describe({ manifest }: DataSet): string[] {
  const { classes, partitions } = manifest;
  const meaning = manifest.dtype === 'u8' ? '8-bit, value / 127.5 - 1' : '32-bit float';
  return [
    `name       ${manifest.name}`,
    `source     ${manifest.source}`,
    `shape      [${manifest.shape.join(', ')}] (${meaning})`,
    `rows       ${manifest.rows}`,
    `seed       ${manifest.seed}`,
    `content    ${manifest.contentHash}`,
    `classes    ${classes.length === 0 ? 'none' : classes.length}`,
    ...classes.map(({ label, name, rows }) => `  ${String(label).padStart(5)}  ${String(rows).padStart(10)} rows  ${name}`),
    `partitions ${partitions.length}`,
    ...partitions.map(
      ({ id, rows, bytes, sha256 }) =>
        `  ${String(id).padStart(5)}  ${String(rows).padStart(10)} rows  ${String(bytes).padStart(14)} bytes  ${sha256}`,
    ),
  ];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
