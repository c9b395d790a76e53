/** Reading of manifest.json: every field checked, and one sentence with file and field for the first thing that is wrong. */

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { defined } from '../defined.js';
import { expectation, GolddiffError } from '../errors.js';
import { DATA_SET_ROWS_MAX, PARTITIONS_MAX, ROW_VALUES_MAX, SEED_MAX } from '../limits.js';
import { MANIFEST_VERSION, type Manifest, type ManifestPartition } from './manifest.js';

export const MANIFEST_FILE = 'manifest.json';
export const STATISTICS_FILE = 'statistics.safetensors';
/** Made beside the others when a covariance is first needed; see coordinator/statistics/covariance-file.ts. */
export const COVARIANCE_FILE = 'covariance.safetensors';
/** Names that requests, logs and metrics can carry as they are. */
export const DATA_SET_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** What stored values mean, by dtype. */
export const VALUE_MAPS = { u8: { scale: 1 / 127.5, offset: -1 }, f32: { scale: 1, offset: 0 } } as const;

export function partitionFileName(id: number): string {
  return `partition-${String(id).padStart(5, '0')}.safetensors`;
}

/** sha256, hex, over the hex hashes of the partitions in order of id, as ASCII without separators. */
export function contentHashOf(partitions: readonly { readonly sha256: string }[]): string {
  const hash = createHash('sha256');
  for (const { sha256 } of partitions) hash.update(sha256, 'ascii');
  return hash.digest('hex');
}

/** The manifest of DIR. Throws NOT_FOUND where there is none and FILE_INVALID where it is wrong. */
export async function readManifest(dir: string): Promise<Manifest> {
  const file = path.join(dir, MANIFEST_FILE);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new GolddiffError(
      'NOT_FOUND',
      expectation(dir, `a data set folder with ${MANIFEST_FILE}`, (cause as NodeJS.ErrnoException).code),
      { file },
      { cause },
    );
  }
  return parseManifest(text, file);
}

/** `file` is only for the sentence of an error. */
export function parseManifest(text: string, file: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new GolddiffError('FILE_INVALID', expectation(file, 'a JSON document', (cause as Error).message), { file }, { cause });
  }
  return validateManifest(new Field(file, '', json));
}

/** A value in the document with the path that leads to it. */
class Field {
  constructor(
    private readonly file: string,
    readonly path: string,
    readonly value: unknown,
  ) {}

  refuse(expected: string, received: unknown = this.value): GolddiffError {
    const where = this.path === '' ? this.file : `${this.path} in ${this.file}`;
    const shown = typeof received === 'object' && received !== null ? JSON.stringify(received) : received;
    return new GolddiffError('FILE_INVALID', expectation(where, expected, shown), { file: this.file, field: this.path });
  }
  get(key: string): Field {
    if (typeof this.value !== 'object' || this.value === null || Array.isArray(this.value)) throw this.refuse('an object');
    return new Field(this.file, this.path === '' ? key : `${this.path}.${key}`, (this.value as Record<string, unknown>)[key]);
  }
  items(): Field[] {
    if (!Array.isArray(this.value)) throw this.refuse('an array');
    return this.value.map((item, index) => new Field(this.file, `${this.path}[${index}]`, item));
  }
  integer(from: number, to: number): number {
    const { value } = this;
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < from || value > to)
      throw this.refuse(`an integer from ${from} to ${to}`);
    return value;
  }
  text(pattern: RegExp, expected: string): string {
    if (typeof this.value !== 'string' || !pattern.test(this.value)) throw this.refuse(expected);
    return this.value;
  }
  exactly<T extends string | number>(expected: T): T {
    if (this.value !== expected) throw this.refuse(typeof expected === 'string' ? JSON.stringify(expected) : String(expected));
    return expected;
  }
}

function validateManifest(root: Field): Manifest {
  const version = root.get('version').exactly(MANIFEST_VERSION);
  const name = root.get('name').text(DATA_SET_NAME_PATTERN, 'a name of letters, digits, ".", "_" and "-"');
  const shape = shapeOf(root.get('shape'));
  const dtype = root.get('dtype').text(/^(u8|f32)$/, '"u8" or "f32"') as 'u8' | 'f32';
  const map = root.get('valueMap');
  const valueMap = { scale: map.get('scale').exactly(VALUE_MAPS[dtype].scale), offset: map.get('offset').exactly(VALUE_MAPS[dtype].offset) };
  const rows = root.get('rows').integer(1, DATA_SET_ROWS_MAX);
  const classes = classesOf(root.get('classes'), rows);
  const seed = root.get('seed').integer(0, SEED_MAX);
  const source = root.get('source').text(/^/, 'a text');
  const key = root.get('importKey');
  const importKey = key.value === undefined ? undefined : hashOf(key);
  const partitions = partitionsOf(root.get('partitions'), rows);
  const stats = root.get('statistics');
  const statistics = { file: fileNameOf(stats.get('file')), sha256: hashOf(stats.get('sha256')) };
  const contentHash = root.get('contentHash').exactly(contentHashOf(partitions));
  return { version, name, shape, dtype, valueMap, rows, classes, seed, source, ...defined({ importKey }), partitions, statistics, contentHash };
}

function shapeOf(field: Field): [number, number, number] {
  const extents = field.items().map((item) => item.integer(1, ROW_VALUES_MAX));
  const [channels, height, width] = extents;
  if (extents.length !== 3 || channels === undefined || height === undefined || width === undefined) throw field.refuse('[C, H, W]');
  if (channels * height * width > ROW_VALUES_MAX) throw field.refuse(`[C, H, W] of at most ${ROW_VALUES_MAX} values`);
  return [channels, height, width];
}

function classesOf(field: Field, rows: number): Manifest['classes'] {
  let last = -1;
  let sum = 0;
  const classes = field.items().map((item) => {
    const label = item.get('label').integer(last + 1, 2 ** 31 - 1);
    const entry = { label, name: item.get('name').text(/^/, 'a text'), rows: item.get('rows').integer(0, rows) };
    last = label;
    sum += entry.rows;
    return entry;
  });
  if (classes.length > 0 && sum !== rows) throw field.refuse(`class rows that add up to ${rows}`, sum);
  return classes;
}

function partitionsOf(field: Field, rows: number): ManifestPartition[] {
  const items = field.items();
  if (items.length < 1 || items.length > PARTITIONS_MAX) throw field.refuse(`1 to ${PARTITIONS_MAX} partitions`, items.length);
  const files = new Set<string>();
  let sum = 0;
  const partitions = items.map((item, index) => {
    const partition = {
      id: item.get('id').exactly(index),
      file: fileNameOf(item.get('file')),
      rows: item.get('rows').integer(1, rows),
      bytes: item.get('bytes').integer(1, Number.MAX_SAFE_INTEGER),
      sha256: hashOf(item.get('sha256')),
    };
    if (files.has(partition.file)) throw item.get('file').refuse('a file of its own');
    files.add(partition.file);
    sum += partition.rows;
    return partition;
  });
  if (sum !== rows) throw field.refuse(`partition rows that add up to ${rows}`, sum);
  return partitions;
}

/** A plain name: a manifest must not reach outside its folder. */
function fileNameOf(field: Field): string {
  return field.text(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'a plain file name');
}

function hashOf(field: Field): string {
  return field.text(/^[0-9a-f]{64}$/, 'a sha256 of 64 hex digits');
}
