/**
 * What a backend should answer, by plain loops over y = u / 127.5 - 1 in double, with nothing of the product but types, the hash and the geometry.
 */

import type { GlobalScalars, PartitionRows, ScreenStage, StageCuts, StepQueries } from '../../../shard-worker/backends/backend.js';
import { presampleHash } from '../../../shared/math/counter-noise.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';

export class Oracle {
  readonly #y: Float64Array;
  readonly #D: number;

  constructor(
    readonly partition: PartitionRows,
    readonly queries: StepQueries,
  ) {
    this.#D = partition.shape[0] * partition.shape[1] * partition.shape[2];
    this.#y = Float64Array.from(partition.values, (v) => (partition.values instanceof Uint8Array ? v / 127.5 - 1 : v));
  }

  key(stage: ScreenStage, b: number, i: number): number {
    const { queries, partition } = this;
    if (stage === 'presample') {
      const { presampleSeed, presampleStep, queryIds } = queries.golden!;
      return presampleHash(presampleSeed, presampleStep, queryIds[b]!, partition.rowIds[i]!);
    }
    const D = this.#D;
    let x = Array.from(queries.x.subarray(b * D, (b + 1) * D));
    let y = Array.from(this.#y.subarray(i * D, (i + 1) * D));
    if (stage === 'proxy') {
      x = this.#pool(x);
      y = this.#pool(y);
    }
    return x.reduce((sum, value, p) => sum + (value - queries.alpha[b]! * y[p]!) ** 2, 0);
  }

  #pool(image: number[]): number[] {
    const [C, H, W] = this.partition.shape;
    const f = proxyGeometry(this.partition.shape, this.queries.golden!.proxyResolution).factor;
    const out: number[] = [];
    for (let c = 0; c < C; c++)
      for (let i = 0; i < H; i += f)
        for (let j = 0; j < W; j += f) {
          let sum = 0;
          for (let u = 0; u < f; u++) for (let v = 0; v < f; v++) sum += image[(c * H + i + u) * W + j + v]!;
          out.push(sum / (f * f));
        }
    return out;
  }

  /** Rows of the query's label inside all cuts. `keyOf` gives the keys that the cuts were made of. */
  eligible(b: number, cuts: StageCuts, keyOf = (stage: ScreenStage, query: number, row: number) => this.key(stage, query, row)): number[] {
    const label = this.queries.labels?.[b] ?? -1;
    const rows: number[] = [];
    for (let i = 0; i < this.partition.rows; i++) {
      if (label !== -1 && this.partition.labels[i] !== label) continue;
      const inside = (Object.keys(cuts) as ScreenStage[]).every((stage) => {
        const cut = cuts[stage]!;
        const key = keyOf(stage, b, i);
        return key < cut.key[b]! || (key === cut.key[b]! && this.partition.rowIds[i]! <= cut.rowId[b]!);
      });
      if (inside) rows.push(i);
    }
    return rows;
  }

  /** Rows in the order of (key, row id). */
  ranked(stage: ScreenStage, b: number, rows: readonly number[]): { key: number; rowId: number }[] {
    return rows.map((i) => ({ key: this.key(stage, b, i), rowId: this.partition.rowIds[i]! })).sort((p, q) => p.key - q.key || p.rowId - q.rowId);
  }

  logits(b: number, rows: readonly number[]): number[] {
    const { sigma, temperature } = this.queries;
    return rows.map((i) => 0 - this.key('full', b, i) / (2 * sigma[b]! ** 2 * temperature));
  }

  scalars(b: number, rows: readonly number[]): { maxLogit: number; mass: number; massSq: number; rows: number } {
    const logits = this.logits(b, rows);
    const maxLogit = logits.reduce((max, l) => Math.max(max, l), -Infinity);
    return {
      maxLogit,
      mass: logits.reduce((sum, l) => sum + Math.exp(l - maxLogit), 0),
      massSq: logits.reduce((sum, l) => sum + Math.exp(2 * (l - maxLogit)), 0),
      rows: rows.length,
    };
  }

  /** [D] sum exp(logit - own max) y over all the rows, none left out. */
  sums(b: number, rows: readonly number[]): Float64Array {
    const logits = this.logits(b, rows);
    const max = Math.max(...logits);
    const out = new Float64Array(this.#D);
    rows.forEach((i, k) => {
      const w = Math.exp(logits[k]! - max);
      for (let p = 0; p < this.#D; p++) out[p] = out[p]! + w * this.#y[i * this.#D + p]!;
    });
    return out;
  }

  /** The partition alone as the whole data set. */
  global(cuts: StageCuts): GlobalScalars {
    const each = Array.from({ length: this.queries.batch }, (_, b) => this.scalars(b, this.eligible(b, cuts)));
    return { maxLogit: Float64Array.from(each, (s) => s.maxLogit), mass: Float64Array.from(each, (s) => s.mass) };
  }
}
