/** Seeded partitions and queries for tests of backends. */

import type { PartitionRows, StepQueries } from '../../../shard-worker/backends/backend.js';

/** Small seeded generator (a linear congruence with 2^32), uniform in [0, 1): enough for test data. */
export function seeded(seed: number): () => number {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const high = state >>> 8;
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (high + (state >>> 8) / 0x1000000) / 0x1000000;
  };
}

export interface GeneratedPartition {
  readonly dataSet?: string;
  readonly partition?: number;
  readonly rows: number;
  readonly shape: readonly [number, number, number];
  readonly dtype: 'u8' | 'f32';
  readonly seed: number;
  /** labels 0 .. classes - 1; 0 = no labels */
  readonly classes?: number;
  /** every row is a copy of one of so many */
  readonly distinct?: number;
}

export function generatePartition(wish: GeneratedPartition): PartitionRows {
  const random = seeded(wish.seed);
  const D = wish.shape[0] * wish.shape[1] * wish.shape[2];
  const n = wish.rows;
  const values = wish.dtype === 'u8' ? new Uint8Array(new SharedArrayBuffer(n * D)) : new Float32Array(new SharedArrayBuffer(n * D * 4));
  const distinct = Math.min(n, wish.distinct ?? n);
  for (let i = 0; i < distinct * D; i++) {
    // Half of the 8-bit values are 0, as in pictures of digits.
    values[i] = wish.dtype === 'u8' ? Math.max(0, Math.floor(random() * 512) - 256) : random() * 2 - 1;
  }
  for (let i = distinct; i < n; i++) values.copyWithin(i * D, (i % distinct) * D, (i % distinct) * D + D);
  const labels = new Int32Array(new SharedArrayBuffer(n * 4));
  const rowIds = new Uint32Array(new SharedArrayBuffer(n * 4));
  for (let i = 0; i < n; i++) {
    labels[i] = wish.classes ? Math.floor(random() * wish.classes) : -1;
    // Unique and not ascending: 7919 is prime to the range.
    rowIds[i] = ((i * 7919) % Math.max(1, prime(n))) + (wish.partition ?? 0) * 1_000_000;
  }
  return { dataSet: wish.dataSet ?? 'generated', partition: wish.partition ?? 0, rows: n, shape: wish.shape, values, labels, rowIds };
}

/** Smallest prime above n that is not 7919. */
function prime(n: number): number {
  for (let p = Math.max(2, n + 1); ; p++) {
    let composite = p === 7919;
    for (let d = 2; d * d <= p && !composite; d++) composite = p % d === 0;
    if (!composite) return p;
  }
}

export interface GeneratedQueries {
  readonly batch: number;
  readonly seed: number;
  /** one for all, or one for each */
  readonly alpha: number | readonly number[];
  readonly sigma: number | readonly number[];
  readonly temperature?: number;
  readonly labels?: readonly number[];
  readonly proxyResolution?: number;
}

/** Queries of the forward process: alpha times a row plus sigma times noise (uniform with variance 1). */
export function generateQueries(partition: PartitionRows, wish: GeneratedQueries): StepQueries {
  const random = seeded(wish.seed);
  const D = partition.shape[0] * partition.shape[1] * partition.shape[2];
  const each = (value: number | readonly number[]): Float64Array =>
    Float64Array.from({ length: wish.batch }, (_, b) => (typeof value === 'number' ? value : value[b]!));
  const alpha = each(wish.alpha);
  const sigma = each(wish.sigma);
  const x = new Float64Array(new SharedArrayBuffer(wish.batch * D * 8));
  for (let b = 0; b < wish.batch; b++) {
    const row = partition.rows === 0 ? -1 : Math.floor(random() * partition.rows);
    for (let p = 0; p < D; p++) {
      const stored = row < 0 ? 0 : partition.values[row * D + p]!;
      const y = partition.values instanceof Uint8Array ? stored / 127.5 - 1 : stored;
      x[b * D + p] = Math.fround(alpha[b]! * y + sigma[b]! * (random() - 0.5) * Math.sqrt(12));
    }
  }
  return {
    dataSet: partition.dataSet,
    batch: wish.batch,
    x,
    alpha,
    sigma,
    temperature: wish.temperature ?? 1,
    labels: wish.labels ? Int32Array.from(wish.labels) : undefined,
    golden: {
      proxyResolution: wish.proxyResolution ?? 0,
      presampleSeed: 2 ** 40 + 11,
      presampleStep: 3,
      queryIds: Uint32Array.from({ length: wish.batch }, (_, b) => 100 + b),
    },
  };
}

/** The same queries with only those listed left. */
export function pickQueries(queries: StepQueries, chosen: readonly number[]): StepQueries {
  const D = queries.x.length / queries.batch;
  const x = new Float64Array(chosen.length * D);
  chosen.forEach((b, k) => x.set(queries.x.subarray(b * D, (b + 1) * D), k * D));
  const { golden, labels } = queries;
  return {
    ...queries,
    batch: chosen.length,
    x,
    alpha: Float64Array.from(chosen, (b) => queries.alpha[b]!),
    sigma: Float64Array.from(chosen, (b) => queries.sigma[b]!),
    labels: labels && Int32Array.from(chosen, (b) => labels[b]!),
    golden: golden && { ...golden, queryIds: Uint32Array.from(chosen, (b) => golden.queryIds[b]!) },
  };
}
