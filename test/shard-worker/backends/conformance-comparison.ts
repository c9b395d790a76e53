/** What the parts of the suite compare with: the oracle within tolerances, and the backend's own cuts. */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Backend, Cut, PartitionRows, ScreenStage, StageCuts, StepQueries } from '../../../shard-worker/backends/backend.js';
import type { ConformanceSubject } from './conformance.js';
import type { Oracle } from './oracle.js';

export const STAGES: readonly ScreenStage[] = ['presample', 'proxy', 'full'];

export async function withBackend(backend: Backend, use: (backend: Backend) => Promise<void>): Promise<void> {
  try {
    await use(backend);
  } finally {
    await backend.close();
  }
}

/** Cut after the `rank`-th row of each query by the backend's own keys. */
export async function cutAt(
  backend: Backend,
  partition: PartitionRows,
  queries: StepQueries,
  stage: ScreenStage,
  cuts: StageCuts,
  share: number,
): Promise<Cut> {
  const step = backend.openStep(queries);
  const ones = { kind: 'fraction', fraction: new Float64Array(queries.batch).fill(1) } as const;
  const sizes = (await step.screen(partition.partition, stage, cuts, ones)).eligible;
  const windows = [...sizes].flatMap((n, query) => (n === 0 ? [] : [{ query, firstRank: Math.floor((n - 1) * share), count: 1 }]));
  const part = await step.screen(partition.partition, stage, cuts, { kind: 'windows', windows });
  step.close();
  const cut = { key: new Float64Array(queries.batch).fill(Infinity), rowId: new Uint32Array(queries.batch) };
  part.queries.forEach((query, k) => {
    cut.key[query] = part.keys[k]!;
    cut.rowId[query] = part.rowIds[k]!;
  });
  return cut;
}

export class Largest {
  readonly #values = new Map<string, number>();
  see(what: string, error: number, bound: number, where: string): void {
    assert.ok(error <= bound, `${what} is off by ${error} where ${bound} is allowed, at ${where}`);
    this.#values.set(what, Math.max(this.#values.get(what) ?? 0, error / bound));
  }
  report(t: TestContext): void {
    for (const [what, share] of this.#values) t.diagnostic(`${what}: largest error ${(share * 100).toFixed(1)}% of the tolerance`);
  }
}

export function checkScalars(
  largest: Largest,
  subject: ConformanceSubject,
  oracle: Oracle,
  queries: StepQueries,
  partition: PartitionRows,
  rowsOf: (b: number) => number[],
  got: { maxLogit: Float64Array; mass: Float64Array; massSq: Float64Array; rows: Float64Array },
  where: string,
): void {
  const D = queries.x.length / queries.batch;
  for (let b = 0; b < queries.batch; b++) {
    const rows = rowsOf(b);
    const want = oracle.scalars(b, rows);
    assert.equal(got.rows[b], want.rows, where);
    if (rows.length === 0) {
      assert.deepEqual([got.maxLogit[b], got.mass[b], got.massSq[b]], [-Infinity, 0, 0], where);
      continue;
    }
    const nats = distanceScale(queries, b, D) / (2 * queries.sigma[b]! ** 2 * queries.temperature);
    const { logit = 0, leftOut = 0 } = subject.tolerances;
    largest.see('maxLogit', Math.abs(got.maxLogit[b]! - want.maxLogit), nats * subject.tolerances.distance + logit + 1e-300, where);
    const massBound = 1e-13 + nats * subject.tolerances.mass + 2 * logit + leftOut;
    largest.see('mass', Math.abs(got.mass[b]! - want.mass) / want.mass, massBound, where);
    largest.see('massSq', Math.abs(got.massSq[b]! - want.massSq) / want.massSq, massBound * 2, where);
  }
}

/** |x|^2 + max |a y|^2: what the rounding of a distance is relative to. */
export function distanceScale(queries: StepQueries, b: number, D: number): number {
  return queries.x.subarray(b * D, (b + 1) * D).reduce((sum, v) => sum + v * v, 0) + queries.alpha[b]! ** 2 * D;
}
