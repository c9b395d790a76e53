/** What a shard worker computes for one step, by the plainest means. The definition that the coordinator's merge path is tested against. */

import type { Aggregate__Output } from '../../proto/generated/golddiff/v1/Aggregate.js';
import type { CutVector__Output } from '../../proto/generated/golddiff/v1/CutVector.js';
import type { OpenStep__Output } from '../../proto/generated/golddiff/v1/OpenStep.js';
import { HISTOGRAM_BINS, HISTOGRAM_BINS_PER_NAT, SKIPPED_SHARE_QUANTUM } from '../../shared/limits.js';
import { presampleHash } from '../../shared/math/counter-noise.js';
import type { PosteriorScalars, PosteriorSums } from '../../shared/math/partial-posterior.js';
import { emptyScalars } from '../../shared/math/partial-posterior.js';
import { poolRow, proxyGeometry } from '../../shared/math/proxy.js';
import type { TestDataSet } from './test-data.js';

export type Stage = CutVector__Output['stage'];

export class BruteForceStep {
  readonly batch: number;
  readonly dim: number;
  constructor(
    readonly data: TestDataSet,
    readonly open: OpenStep__Output,
    readonly x: Float64Array,
  ) {
    this.batch = open.batchRows;
    this.dim = open.rowValues;
  }

  key(stage: Stage, partition: number, row: number, b: number): number {
    const part = this.data.partitions[partition]!;
    const { dim, x } = this;
    if (stage === 'PRESAMPLE_HASH') return presampleHash(this.open.presampleSeed, this.open.presampleStep, this.open.queryIds[b]!, part.rowIds[row]!);
    const alpha = this.open.alpha[b]!;
    let sum = 0;
    if (stage === 'FULL_DISTANCE') {
      for (let p = 0; p < dim; p++) sum += (x[b * dim + p]! - alpha * part.values[row * dim + p]!) ** 2;
      return sum;
    }
    const shape = this.data.manifest.shape;
    const geometry = proxyGeometry(shape, this.open.proxyResolution);
    const query = new Float64Array(geometry.values);
    const pooled = new Float64Array(geometry.values);
    poolRow(x, b * dim, shape, geometry, query);
    poolRow(part.values, row * dim, shape, geometry, pooled);
    for (let p = 0; p < geometry.values; p++) sum += (query[p]! - alpha * pooled[p]!) ** 2;
    return sum;
  }

  /** Rows of a partition that have the query's label and pass all cuts. */
  rowsOf(partition: number, b: number, cuts: readonly CutVector__Output[]): number[] {
    const part = this.data.partitions[partition]!;
    const label = this.open.labels[b] ?? -1;
    const rows: number[] = [];
    for (let i = 0; i < part.rowIds.length; i++) {
      if (label !== -1 && part.labels[i] !== label) continue;
      const passes = cuts.every((cut) => {
        if (cut.key[b] === Infinity) return true;
        const key = this.key(cut.stage, partition, i, b);
        return key < cut.key[b]! || (key === cut.key[b] && part.rowIds[i]! <= cut.rowId[b]!);
      });
      if (passes) rows.push(i);
    }
    return rows;
  }

  /** Keys with row ids, ascending. */
  sortedKeys(stage: Stage, partition: number, b: number, cuts: readonly CutVector__Output[]): [number, number][] {
    const ids = this.data.partitions[partition]!.rowIds;
    const keys = this.rowsOf(partition, b, cuts).map((i): [number, number] => [this.key(stage, partition, i, b), ids[i]!]);
    return keys.sort((l, r) => l[0] - r[0] || l[1] - r[1]);
  }

  logits(partition: number, b: number, cuts: readonly CutVector__Output[]): { row: number; logit: number }[] {
    const scale = 2 * this.open.sigma[b]! ** 2 * this.open.temperature;
    return this.rowsOf(partition, b, cuts).map((row) => ({ row, logit: -this.key('FULL_DISTANCE', partition, row, b) / scale }));
  }

  scalars(partition: number, cuts: readonly CutVector__Output[]): PosteriorScalars {
    const out = emptyScalars(this.batch);
    for (let b = 0; b < this.batch; b++) {
      const logits = this.logits(partition, b, cuts).map((l) => l.logit);
      const m = Math.max(-Infinity, ...logits);
      out.maxLogit[b] = m;
      out.rows[b] = logits.length;
      for (const logit of logits) {
        out.mass[b]! += Math.exp(logit - m);
        out.massSq[b]! += Math.exp(2 * (logit - m));
      }
    }
    return out;
  }

  sums(partition: number, aggregate: Aggregate__Output, own: PosteriorScalars): { sums: PosteriorSums; skipped: Float64Array } {
    const { dim } = this;
    const part = this.data.partitions[partition]!;
    const skipped = new Float64Array(this.batch);
    const queries: number[] = [];
    const values: number[] = [];
    for (let b = 0; b < this.batch; b++) {
      const m = own.maxLogit[b]!;
      if (m === -Infinity) continue;
      const share = (own.mass[b]! * Math.exp(m - aggregate.maxLogit[b]!)) / aggregate.mass[b]!;
      if (share < aggregate.negligibleShare) {
        skipped[b] = Math.ceil(share / SKIPPED_SHARE_QUANTUM) * SKIPPED_SHARE_QUANTUM;
        continue;
      }
      const sum = new Float64Array(dim);
      for (const { row, logit } of this.logits(partition, b, aggregate.cuts)) {
        for (let p = 0; p < dim; p++) sum[p]! += Math.exp(logit - m) * part.values[row * dim + p]!;
      }
      queries.push(b);
      values.push(...sum);
    }
    return { sums: { queries: Uint32Array.from(queries), sums: Float32Array.from(values) }, skipped };
  }

  histogram(partition: number, aggregate: Aggregate__Output): { rows: Float64Array; mass: Float64Array } {
    const rows = new Float64Array(this.batch * HISTOGRAM_BINS);
    const mass = new Float64Array(this.batch * HISTOGRAM_BINS);
    for (let b = 0; b < this.batch; b++) {
      for (const { logit } of this.logits(partition, b, aggregate.cuts)) {
        const below = aggregate.maxLogit[b]! - logit;
        const bin = Math.floor(below * HISTOGRAM_BINS_PER_NAT);
        if (bin >= HISTOGRAM_BINS) continue;
        rows[b * HISTOGRAM_BINS + bin]! += 1;
        mass[b * HISTOGRAM_BINS + bin]! += Math.exp(-below);
      }
    }
    return { rows, mass };
  }
}
