/**
 * The posterior mean by plain loops in double over rows held in memory, written apart from the program: what answers are compared with.
 */

import { presampleHash } from '../../shared/math/counter-noise.js';

/** u8 rows [N, D] of shape [C, H, W]; row i has global id i. */
export interface PlainRows {
  readonly pixels: Uint8Array;
  readonly shape: readonly [number, number, number];
  readonly labels: ArrayLike<number>;
}

export interface PlainAnswer {
  readonly x0hat: Float64Array;
  readonly logZ: number;
  readonly effectiveSupport: number;
  readonly rows: number[];
}

export interface PlainQuery {
  readonly x: ArrayLike<number>;
  readonly alpha: number;
  readonly sigma: number;
  readonly temperature?: number;
  /** -1 or absent = all */
  readonly label?: number;
}

export interface PlainGolden {
  readonly factor: number;
  readonly pool: number;
  readonly subset: number;
  readonly presample?: { readonly rows: number; readonly seed: number; readonly step: number; readonly queryId: number };
}

const valueOf = (pixel: number): number => pixel / 127.5 - 1;

export function rowCount(rows: PlainRows): number {
  return rows.pixels.length / dimOf(rows);
}

export function dimOf(rows: PlainRows): number {
  return rows.shape[0] * rows.shape[1] * rows.shape[2];
}

/** Ids of the eligible rows. */
function eligible(rows: PlainRows, label: number): number[] {
  return Array.from({ length: rowCount(rows) }, (_, i) => i).filter((i) => label < 0 || rows.labels[i] === label);
}

export function fullDistance(rows: PlainRows, query: PlainQuery, id: number): number {
  const D = dimOf(rows);
  let sum = 0;
  for (let p = 0; p < D; p++) {
    const d = query.x[p]! - query.alpha * valueOf(rows.pixels[id * D + p]!);
    sum += d * d;
  }
  return sum;
}

function pooled(values: (index: number) => number, shape: readonly [number, number, number], factor: number): number[] {
  const [C, H, W] = shape;
  const out: number[] = [];
  for (let c = 0; c < C; c++) {
    for (let i = 0; i < H; i += factor) {
      for (let j = 0; j < W; j += factor) {
        let sum = 0;
        for (let u = 0; u < factor; u++) for (let v = 0; v < factor; v++) sum += values((c * H + i + u) * W + j + v);
        out.push(sum / (factor * factor));
      }
    }
  }
  return out;
}

/** The k ids with the smallest keys, ties by id. */
export function smallest(ids: number[], key: (id: number) => number, k: number): number[] {
  return ids
    .map((id) => [key(id), id] as const)
    .sort((a, b) => a[0] - b[0] || a[1] - b[1])
    .slice(0, k)
    .map(([, id]) => id);
}

/** Ids of the golden subset, brute force over all rows at once. */
export function goldenSubset(rows: PlainRows, query: PlainQuery, golden: PlainGolden): number[] {
  const D = dimOf(rows);
  let ids = eligible(rows, query.label ?? -1);
  if (golden.presample) {
    const { seed, step, queryId } = golden.presample;
    ids = smallest(ids, (id) => presampleHash(seed, step, queryId, id), golden.presample.rows);
  }
  const q = pooled((p) => query.x[p]!, rows.shape, golden.factor);
  const proxyDistance = (id: number): number => {
    const y = pooled((p) => valueOf(rows.pixels[id * D + p]!), rows.shape, golden.factor);
    return q.reduce((sum, v, i) => sum + (v - query.alpha * y[i]!) ** 2, 0);
  };
  ids = smallest(ids, proxyDistance, golden.pool);
  return smallest(ids, (id) => fullDistance(rows, query, id), golden.subset);
}

/** Exact answer, or over the ids given. */
export function posterior(rows: PlainRows, query: PlainQuery, ids: readonly number[] = eligible(rows, query.label ?? -1)): PlainAnswer {
  const D = dimOf(rows);
  const logits = ids.map((id) => -fullDistance(rows, query, id) / (2 * query.sigma ** 2 * (query.temperature ?? 1)));
  const m = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const x0hat = new Float64Array(D);
  let mass = 0;
  let massSq = 0;
  ids.forEach((id, i) => {
    const w = Math.exp(logits[i]! - m);
    mass += w;
    massSq += w * w;
    if (w > 0) for (let p = 0; p < D; p++) x0hat[p]! += w * valueOf(rows.pixels[id * D + p]!);
  });
  return { x0hat: x0hat.map((v) => v / mass), logZ: m + Math.log(mass), effectiveSupport: mass ** 2 / massSq, rows: [...ids] };
}

/** Largest absolute difference. */
export function worstDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let worst = a.length === b.length ? 0 : Infinity;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}
