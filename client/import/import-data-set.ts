/**
 * From a source to a data set on disk, in one pass and bounded memory: rows are dealt to partitions as they come (row-deal.ts) and
 * written behind one small buffer each (partition-writer.ts); only a label and a row id, 8 bytes a row, stay in memory. The folder appears whole or
 * not at all (atomic-directory.ts); checkpoints let an import that was killed go on (import-journal.ts).
 */

import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { beginDirectory, type AtomicDirectory } from '../../shared/dataset/atomic-directory.js';
import {
  contentHashOf,
  COVARIANCE_FILE,
  DATA_SET_NAME_PATTERN,
  MANIFEST_FILE,
  readManifest,
  STATISTICS_FILE,
  VALUE_MAPS,
} from '../../shared/dataset/manifest-validation.js';
import { MANIFEST_VERSION, type Manifest } from '../../shared/dataset/manifest.js';
import { encodeSafetensors } from '../../shared/dataset/safetensors.js';
import { argumentError, expectation, GolddiffError } from '../../shared/errors.js';
import { IMPORT_CHECKPOINT_BYTES, PARTITIONS_DEFAULT, PARTITIONS_MAX, SEED_MAX } from '../../shared/limits.js';
import { ImportJournal, writeDurably } from './import-journal.js';
import { openSource, type SourceOptions } from './open-source.js';
import { RowDeal, type DealPlan } from './row-deal.js';
import { ValueStatistics } from './value-statistics.js';

export interface ImportOptions extends SourceOptions {
  /** as on the command line: mnist, npy:FILE, ... */
  readonly source: string;
  /** folder to make */
  readonly out: string;
  /** P, 1 to rows; default 16, fewer where there are fewer rows */
  readonly partitions?: number | undefined;
  /** of the assignment of rows to partitions; default 0 */
  readonly seed?: number | undefined;
  /** default: from the source */
  readonly name?: string | undefined;
  /** rows of the source that are passed over; default 0 */
  readonly first?: number | undefined;
  /** rows to import at most; default all */
  readonly limit?: number | undefined;
  /** replace a data set that is there */
  readonly force?: boolean | undefined;
  /** a data set that is there and that this import would make again is taken as it is; any other is refused as ever. Default false */
  readonly ifAbsent?: boolean | undefined;
  readonly onProgress?: ((progress: ImportProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** bytes of rows between two checkpoints */
  readonly checkpointBytes?: number | undefined;
}

export interface ImportProgress {
  readonly rows: number;
  readonly rowsTotal: number;
}

export interface ImportedDataSet {
  /** absolute */
  readonly dir: string;
  readonly manifest: Manifest;
  /** rows that an earlier, killed import of the same had already done */
  readonly resumedRows: number;
  /** with ifAbsent: it was there, and nothing was done */
  readonly wasThere: boolean;
}

interface Plan extends DealPlan {
  readonly name: string;
}

/**
 * Imports a source. Row ids are 0.. in the order of the source, from its first imported row. Throws ARGUMENT_INVALID, NOT_FOUND for a source that is
 * not installed, ALREADY_EXISTS, FILE_INVALID with file and byte, CANCELLED; nothing is left behind then.
 */
export async function importDataSet(options: ImportOptions): Promise<ImportedDataSet> {
  const plan = await planImport(options);
  const key = keyOf(plan);
  let directory: AtomicDirectory | undefined;
  try {
    const manifest = options.ifAbsent ? await sameImport(plan, key, options) : undefined;
    if (manifest !== undefined) return { dir: path.resolve(options.out), manifest, resumedRows: 0, wasThere: true };
    directory = await beginDirectory(options.out, {
      force: options.force ?? false,
      whyKeep: whyNotADataSet,
      adopt: async (dir) => (await new ImportJournal(dir).read(key)) !== undefined,
    });
    const { manifest: made, resumedRows } = await fill(directory, plan, key, options);
    await directory.commit();
    return { dir: path.resolve(options.out), manifest: made, resumedRows, wasThere: false };
  } catch (thrown) {
    await directory?.abort();
    if (options.signal?.aborted) throw new GolddiffError('CANCELLED', `The import into ${options.out} was cancelled`, {}, { cause: thrown });
    throw operatingError(thrown, options.out);
  }
}

/**
 * Of a data set that this plan would make again; files appear under their names only when they are whole. Where files of the source are others, or have other times, as after
 * the same image was built again, or nobody noted them, the source is read and what would be written is compared by its hash.
 */
async function sameImport(plan: Plan, key: string, options: ImportOptions): Promise<Manifest | undefined> {
  const manifest = await readManifest(options.out).catch((thrown: unknown) => {
    if (thrown instanceof GolddiffError && (thrown.code === 'NOT_FOUND' || thrown.code === 'FILE_INVALID')) return undefined;
    throw thrown;
  });
  if (manifest === undefined || manifest.importKey === key) return manifest;
  const { name, rows, partitions, seed, source } = plan;
  const alike =
    manifest.name === name &&
    manifest.rows === rows &&
    manifest.partitions.length === partitions &&
    manifest.seed === seed &&
    manifest.dtype === source.dtype &&
    manifest.shape.join() === source.shape.join() &&
    manifest.source === describe(plan);
  if (!alike) return undefined;
  const deal = new RowDeal(plan, undefined);
  await deal.writer.start();
  for await (const { rowsDealt } of deal.blocks(0, options.signal)) options.onProgress?.({ rows: rowsDealt, rowsTotal: rows });
  const contentHash = contentHashOf(await deal.writer.finish());
  return contentHash === manifest.contentHash && JSON.stringify(deal.classes()) === JSON.stringify(manifest.classes) ? manifest : undefined;
}

/** A full disk or a folder without permission is no bug. */
function operatingError(thrown: unknown, out: string): unknown {
  const { code, syscall, path: file } = thrown as NodeJS.ErrnoException;
  if (thrown instanceof GolddiffError || code === undefined || syscall === undefined) return thrown;
  return new GolddiffError(
    'FILE_INVALID',
    expectation(file ?? out, 'a file that can be read and written', code === 'ENOSPC' ? 'ENOSPC, no space left on the disk' : code),
    { file: file ?? out },
    { cause: thrown },
  );
}

async function planImport(options: ImportOptions): Promise<Plan> {
  const seed = integerOption('seed', options.seed ?? 0, 0, SEED_MAX);
  const source = await openSource(options.source, options);
  const firstRow = integerOption('first', options.first ?? 0, 0, source.rows - 1);
  const rows = Math.min(integerOption('limit', options.limit ?? source.rows, 1, Number.MAX_SAFE_INTEGER), source.rows - firstRow);
  const partitions = integerOption('partitions', options.partitions ?? Math.min(PARTITIONS_DEFAULT, rows), 1, Math.min(rows, PARTITIONS_MAX));
  const name =
    options.name ??
    (source.defaultName
      .replace(/[^A-Za-z0-9._-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 128) ||
      'data');
  if (!DATA_SET_NAME_PATTERN.test(name)) throw argumentError('name', 'at most 128 letters, digits, ".", "_" and "-", a letter or digit first', name);
  return { source, name, firstRow, rows, partitions, seed, width: source.shape[0] * source.shape[1] * source.shape[2] };
}

function integerOption(field: string, value: number, from: number, to: number): number {
  if (!Number.isSafeInteger(value) || value < from || value > to) throw argumentError(field, `an integer from ${from} to ${to}`, value);
  return value;
}

/** Two imports with the same key write the same bytes. */
function keyOf(plan: Plan): string {
  const { source, ...rest } = plan;
  const { identity, shape, dtype, rows, description, labelled, classNames } = source;
  const text = JSON.stringify([MANIFEST_VERSION, rest, { identity, shape, dtype, rows, description, labelled, classNames }]);
  return createHash('sha256').update(text).digest('hex');
}

async function fill(
  directory: AtomicDirectory,
  plan: Plan,
  key: string,
  options: ImportOptions,
): Promise<{ manifest: Manifest; resumedRows: number }> {
  const { source, rows, width, seed, name } = plan;
  const journal = new ImportJournal(directory.dir);
  const deal = new RowDeal(plan, directory.dir);
  const { writer } = deal;

  const earlier = directory.adopted ? await journal.read(key) : undefined;
  const statistics = new ValueStatistics(width, source.dtype, earlier?.checkpoint);
  if (earlier) await deal.resume(earlier.labels, options.signal);
  else await writer.start();

  const resumedRows = earlier?.checkpoint.rows ?? 0;
  const rowBytes = width * (source.dtype === 'u8' ? 1 : 4);
  // The sums are written with each checkpoint: they must stay small beside the rows between two.
  const checkpointRows = Math.ceil(Math.max(options.checkpointBytes ?? IMPORT_CHECKPOINT_BYTES, 64 * width) / rowBytes);
  let newLabels: number[] = [];
  options.onProgress?.({ rows: resumedRows, rowsTotal: rows });
  for await (const { values, labels, rowsDealt } of deal.blocks(resumedRows, options.signal)) {
    statistics.add(values);
    for (const label of labels) newLabels.push(label);
    if (newLabels.length >= checkpointRows && rowsDealt < rows) {
      await writer.sync();
      await journal.write({ key, rows: rowsDealt, sum: statistics.sum, sumOfSquares: statistics.sumOfSquares }, Int32Array.from(newLabels));
      newLabels = [];
    }
    options.onProgress?.({ rows: rowsDealt, rowsTotal: rows });
  }

  const entries = await writer.finish();
  const { mean, variance } = statistics.moments(rows);
  const moments = encodeSafetensors([
    { name: 'mean', dtype: 'F64', shape: [width], data: mean },
    { name: 'variance', dtype: 'F64', shape: [width], data: variance },
  ]);
  await writeDurably(path.join(directory.dir, STATISTICS_FILE), 'w', moments);
  const manifest: Manifest = {
    version: MANIFEST_VERSION,
    name,
    shape: source.shape,
    dtype: source.dtype,
    valueMap: VALUE_MAPS[source.dtype],
    rows,
    classes: deal.classes(),
    seed,
    source: describe(plan),
    importKey: key,
    partitions: entries,
    statistics: { file: STATISTICS_FILE, sha256: createHash('sha256').update(moments).digest('hex') },
    contentHash: contentHashOf(entries),
  };
  await journal.remove();
  await writeDurably(path.join(directory.dir, MANIFEST_FILE), 'w', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`));
  return { manifest, resumedRows };
}

function describe({ source, firstRow, rows }: Plan): string {
  return rows === source.rows ? source.description : `${source.description}, rows ${firstRow} to ${firstRow + rows - 1}`;
}

/** What must not be replaced: a folder that is no data set, or has anything else in it. */
async function whyNotADataSet(dir: string): Promise<string | undefined> {
  let manifest: Manifest;
  try {
    manifest = await readManifest(dir);
  } catch (thrown) {
    return thrown instanceof GolddiffError ? `one that is not: ${thrown.message}` : String(thrown);
  }
  const own = new Set([MANIFEST_FILE, COVARIANCE_FILE, manifest.statistics.file, ...manifest.partitions.map(({ file }) => file)]);
  const other = (await readdir(dir)).find((name) => !own.has(name));
  return other === undefined ? undefined : `one with ${other} in it`;
}
