/**
 * The pca, patch and wiener denoisers by plain loops in double over rows held in memory, written apart from the program: two-pass covariances, an inverse by
 * elimination, sums entry by entry.
 */

import { dimOf, rowCount, type PlainQuery, type PlainRows } from './brute-force.js';

export interface GroupedAnswer {
  readonly x0hat: Float64Array;
  /** [G] nats */
  readonly logZ: Float64Array;
  /** [G] rows */
  readonly effectiveSupport: Float64Array;
  readonly maxWeight: Float64Array;
}

const valueOf = (pixel: number): number => pixel / 127.5 - 1;

function rowIds(rows: PlainRows, label = -1): number[] {
  return Array.from({ length: rowCount(rows) }, (_, i) => i).filter((i) => label < 0 || rows.labels[i] === label);
}

export function plainCovariance(rows: PlainRows, label = -1): { mean: Float64Array; covariance: Float64Array } {
  const D = dimOf(rows);
  const ids = rowIds(rows, label);
  const mean = new Float64Array(D);
  for (const id of ids) for (let p = 0; p < D; p++) mean[p]! += valueOf(rows.pixels[id * D + p]!) / ids.length;
  const covariance = new Float64Array(D * D);
  const centred = new Float64Array(D);
  for (const id of ids) {
    for (let p = 0; p < D; p++) centred[p] = valueOf(rows.pixels[id * D + p]!) - mean[p]!;
    for (let p = 0; p < D; p++) for (let q = 0; q < D; q++) covariance[p * D + q]! += (centred[p]! * centred[q]!) / (ids.length - 1);
  }
  for (let p = 0; p < D; p++) {
    const first = rows.pixels[ids[0]! * D + p]!;
    if (ids.some((id) => rows.pixels[id * D + p] !== first)) continue;
    for (let q = 0; q < D; q++) covariance[p * D + q] = covariance[q * D + p] = 0;
  }
  return { mean, covariance };
}

/** Gauss-Jordan with the largest pivot. */
export function plainInverse(matrix: Float64Array): Float64Array {
  const n = Math.round(Math.sqrt(matrix.length));
  const a = Array.from({ length: n }, (_, i) => [
    ...matrix.subarray(i * n, (i + 1) * n),
    ...Array.from({ length: n }, (_value, j) => (i === j ? 1 : 0)),
  ]);
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(a[r]![c]!) > Math.abs(a[pivot]![c]!)) pivot = r;
    [a[c], a[pivot]] = [a[pivot]!, a[c]!];
    const row = a[c]!;
    const by = row[c]!;
    for (let j = 0; j < 2 * n; j++) row[j]! /= by;
    for (let r = 0; r < n; r++) {
      const factor = a[r]![c]!;
      if (r === c || factor === 0) continue;
      for (let j = c; j < 2 * n; j++) a[r]![j]! -= factor * row[j]!;
    }
  }
  return Float64Array.from(a.flatMap((row) => row.slice(n)));
}

/** W = I - r (r I + Sigma)^-1 */
export function plainFilter(covariance: Float64Array, ratio: number): Float64Array {
  const D = Math.round(Math.sqrt(covariance.length));
  const inverse = plainInverse(covariance.map((value, i) => value + (i % (D + 1) === 0 ? ratio : 0)));
  return inverse.map((value, i) => (i % (D + 1) === 0 ? 1 : 0) - ratio * value);
}

/** [D][D] voters of each output value. */
export function plainMask(rows: PlainRows, alpha: number, sigma: number, threshold: number): number[][] {
  const { covariance } = plainCovariance(rows);
  const D = dimOf(rows);
  const W = plainFilter(covariance, (sigma / alpha) ** 2);
  const raw = (p: number, j: number): number => {
    const own = W[p * D + p]!;
    if (own < 1e-6) return p === j ? 1 : Math.abs(W[p * D + j]!);
    return Math.abs(W[p * D + j]! / own);
  };
  let largest = 0;
  for (let p = 0; p < D; p++)
    for (let j = 0; j < D; j++) if (covariance[p * D + p]! > 0 && covariance[j * D + j]! > 0) largest = Math.max(largest, raw(p, j));
  return Array.from({ length: D }, (_, j) => Array.from({ length: D }, (_value, p) => p).filter((p) => raw(p, j) >= threshold * largest));
}

/** [H*W][] values in the window around each location. */
export function plainWindows([C, H, W]: readonly [number, number, number], side: number): number[][] {
  const reach = (side - 1) / 2;
  return Array.from({ length: H * W }, (_, g) => {
    const voters: number[] = [];
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H; i++)
        for (let j = 0; j < W; j++) if (Math.abs(i - Math.floor(g / W)) <= reach && Math.abs(j - (g % W)) <= reach) voters.push((c * H + i) * W + j);
    return voters;
  });
}

/** Softmax for each group over the rows given, or all of the label. @param voters [G] */
export function groupedPosterior(rows: PlainRows, query: PlainQuery, voters: readonly number[][], ids = rowIds(rows, query.label)): GroupedAnswer {
  const D = dimOf(rows);
  const G = voters.length;
  const answer = {
    x0hat: new Float64Array(D),
    logZ: new Float64Array(G),
    effectiveSupport: new Float64Array(G),
    maxWeight: new Float64Array(G),
  };
  for (let g = 0; g < G; g++) {
    const logits = ids.map((id) => {
      let sum = 0;
      for (const p of voters[g]!) sum += (query.x[p]! - query.alpha * valueOf(rows.pixels[id * D + p]!)) ** 2;
      return -sum / (2 * query.sigma ** 2 * (query.temperature ?? 1));
    });
    const m = logits.reduce((a, b) => Math.max(a, b), -Infinity);
    const weights = logits.map((l) => Math.exp(l - m));
    const mass = weights.reduce((a, b) => a + b, 0);
    answer.logZ[g] = m + Math.log(mass);
    answer.effectiveSupport[g] = mass ** 2 / weights.reduce((a, w) => a + w * w, 0);
    answer.maxWeight[g] = 1 / mass;
    for (let p = g; p < D; p += G) answer.x0hat[p] = ids.reduce((sum, id, i) => sum + weights[i]! * valueOf(rows.pixels[id * D + p]!), 0) / mass;
  }
  return answer;
}

/** x0hat = W x / a + (I - W) mu. */
export function wienerMean(rows: PlainRows, query: PlainQuery): Float64Array {
  const { mean, covariance } = plainCovariance(rows, query.label);
  const D = dimOf(rows);
  const W = plainFilter(covariance, (query.sigma / query.alpha) ** 2);
  return mean.map((mu, p) => {
    let sum = mu;
    for (let q = 0; q < D; q++) sum += W[p * D + q]! * (query.x[q]! / query.alpha - mean[q]!);
    return sum;
  });
}
