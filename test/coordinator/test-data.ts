/** Small random data sets for the tests of the coordinator: no files, no worker process. */

import { createHash } from 'node:crypto';
import { contentHashOf, partitionFileName, STATISTICS_FILE } from '../../shared/dataset/manifest-validation.js';
import type { Manifest } from '../../shared/dataset/manifest.js';

export interface TestPartition {
  /** [n, D] */
  readonly values: Float64Array;
  readonly labels: Int32Array;
  readonly rowIds: Uint32Array;
}

export interface TestDataSet {
  readonly manifest: Manifest;
  readonly partitions: readonly TestPartition[];
}

/** mulberry32: uniform in [0, 1). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface TestDataOptions {
  readonly rows: number;
  readonly partitions: number;
  readonly shape?: readonly [number, number, number];
  readonly classes?: number;
  readonly seed?: number;
  /** values on a coarse grid, so that many distances are equal */
  readonly ties?: boolean;
}

/** Rows i of label i mod classes go round robin to the partitions. */
export function randomDataSet(options: TestDataOptions): TestDataSet {
  const shape = options.shape ?? [1, 4, 4];
  const D = shape[0] * shape[1] * shape[2];
  const classes = options.classes ?? 3;
  const random = randomSource(options.seed ?? 1);
  const rows: { id: number; label: number; values: number[] }[] = [];
  for (let id = 0; id < options.rows; id++) {
    const value = (): number => (options.ties ? Math.floor(random() * 3) - 1 : random() * 2 - 1);
    rows.push({ id, label: id % classes, values: Array.from({ length: D }, value) });
  }
  const partitions = Array.from({ length: options.partitions }, (_, p): TestPartition => {
    const own = rows.filter((row) => row.id % options.partitions === p);
    return {
      values: Float64Array.from(own.flatMap((row) => row.values)),
      labels: Int32Array.from(own.map((row) => row.label)),
      rowIds: Uint32Array.from(own.map((row) => row.id)),
    };
  });
  const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
  const placed = partitions.map((p, id) => ({
    id,
    file: partitionFileName(id),
    rows: p.rowIds.length,
    bytes: 1_000,
    sha256: hash(`partition ${id}`),
  }));
  const manifest: Manifest = {
    version: 1,
    name: 'noise',
    shape,
    dtype: 'f32',
    valueMap: { scale: 1, offset: 0 },
    rows: options.rows,
    classes: Array.from({ length: classes }, (_, label) => ({
      label,
      name: `class ${label}`,
      rows: rows.filter((row) => row.label === label).length,
    })),
    seed: 0,
    source: 'random numbers',
    partitions: placed,
    statistics: { file: STATISTICS_FILE, sha256: hash('statistics') },
    contentHash: contentHashOf(placed),
  };
  return { manifest, partitions };
}

/** Queries x = alpha * row + sigma * noise-like numbers, rounded to float32. */
export function randomQueries(data: TestDataSet, batch: number, alpha: number, sigma: number, seed = 7): Float64Array {
  const random = randomSource(seed);
  const D = data.partitions[0]!.values.length / data.partitions[0]!.rowIds.length;
  const x = new Float64Array(batch * D);
  for (let b = 0; b < batch; b++) {
    const from = data.partitions[b % data.partitions.length]!.values;
    for (let p = 0; p < D; p++) x[b * D + p] = Math.fround(alpha * from[p]! + sigma * (random() * 4 - 2));
  }
  return x;
}
