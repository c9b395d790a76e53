/** A small data set written straight to disk, without the importer: for tests of what reads one. */

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { contentHashOf, MANIFEST_FILE, partitionFileName, STATISTICS_FILE, VALUE_MAPS } from '../../../shared/dataset/manifest-validation.js';
import { MANIFEST_VERSION, type Manifest } from '../../../shared/dataset/manifest.js';
import { encodeSafetensors } from '../../../shared/dataset/safetensors.js';

export interface SmallDataSet {
  readonly name?: string;
  readonly shape: readonly [number, number, number];
  /** [N, D] */
  readonly values: Uint8Array | Float32Array;
  /** [N]; all -1 where absent */
  readonly labels?: Int32Array;
  /** global row ids per partition; each row in exactly one */
  readonly partitions: readonly (readonly number[])[];
}

/** Writes the data set into `dir`, or a new temporary folder, and answers the folder and the manifest. */
export async function writeSmallDataSet(data: SmallDataSet, dir?: string): Promise<{ dir: string; manifest: Manifest }> {
  const folder = dir ?? (await mkdtemp(path.join(tmpdir(), 'golddiff-data-')));
  await mkdir(folder, { recursive: true });
  const width = data.shape[0] * data.shape[1] * data.shape[2];
  const rows = data.values.length / width;
  const labels = data.labels ?? new Int32Array(rows).fill(-1);
  const dtype = data.values instanceof Uint8Array ? 'u8' : 'f32';
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const partitions = [];
  for (const [id, ids] of data.partitions.entries()) {
    const values = dtype === 'u8' ? new Uint8Array(ids.length * width) : new Float32Array(ids.length * width);
    ids.forEach((row, place) => values.set(data.values.subarray(row * width, (row + 1) * width), place * width));
    const bytes = encodeSafetensors([
      { name: 'rows', dtype: dtype === 'u8' ? 'U8' : 'F32', shape: [ids.length, width], data: values },
      { name: 'labels', dtype: 'I32', shape: [ids.length], data: Int32Array.from(ids, (row) => labels[row]!) },
      { name: 'row_ids', dtype: 'U32', shape: [ids.length], data: Uint32Array.from(ids) },
    ]);
    const file = partitionFileName(id);
    await writeFile(path.join(folder, file), bytes);
    partitions.push({ id, file, rows: ids.length, bytes: bytes.length, sha256: sha256(bytes) });
  }
  const moments = encodeSafetensors(
    ['mean', 'variance'].map((name) => ({ name, dtype: 'F64' as const, shape: [width], data: new Float64Array(width) })),
  );
  await writeFile(path.join(folder, STATISTICS_FILE), moments);
  const present = [...new Set(labels)].filter((label) => label >= 0).sort((a, b) => a - b);
  const manifest: Manifest = {
    version: MANIFEST_VERSION,
    name: data.name ?? 'small',
    shape: data.shape,
    dtype,
    valueMap: VALUE_MAPS[dtype],
    rows,
    classes: present.map((label) => ({ label, name: String(label), rows: labels.filter((other) => other === label).length })),
    seed: 0,
    source: 'a test',
    partitions,
    statistics: { file: STATISTICS_FILE, sha256: sha256(moments) },
    contentHash: contentHashOf(partitions),
  };
  await writeFile(path.join(folder, MANIFEST_FILE), JSON.stringify(manifest, null, 2));
  return { dir: folder, manifest };
}
