/**
 * A step that is answered from mean and covariance, without the rows: they are gathered over the cluster when first needed, and no worker is asked
 * after that. Every row counts the same in them, so that the effective support is all rows and nothing is left out.
 */

import { distinct } from './denoisers/denoiser.js';
import type { DataSetStatistics } from './statistics/data-set-statistics.js';
import type { StepAnswer } from './step-answer.js';
import { coverageOf } from './step-assignments.js';
import type { StepPlan } from './step-plan.js';

export type GaussianSource = Pick<DataSetStatistics, 'gaussian'>;

/** @param ratio [B] (sigma / alpha)^2 */
export async function answerGaussian(plan: StepPlan, ratio: Float64Array, source: GaussianSource, signal: AbortSignal): Promise<StepAnswer> {
  const started = performance.now();
  const { batch: B, dim: D, labels, eligible, sigma } = plan;
  const x0hat = new Float64Array(B * D);
  const logEvidence = new Array<number>(B).fill(0);
  const queries = Array.from({ length: B }, (_, b) => ({ label: labels?.[b] ?? -1, ratio: ratio[b]! }));
  const { kinds, of } = distinct(queries, (query) => `${query.label} ${query.ratio}`);
  for (const [k, kind] of kinds.entries()) {
    const own = queries.flatMap((_, b) => (of[b] === k ? [b] : []));
    const x = new Float64Array(own.length * D);
    own.forEach((b, i) => x.set(plan.x.subarray(b * D, (b + 1) * D), i * D));
    const alpha = Float64Array.from(own, (b) => plan.alpha[b]!);
    const answer = await source.gaussian(kind.label, kind.ratio, x, alpha, signal);
    own.forEach((b, i) => {
      x0hat.set(answer.x0hat.subarray(i * D, (i + 1) * D), b * D);
      logEvidence[b] = answer.logEvidence[i]!;
    });
  }
  const aggregateMs = performance.now() - started;
  return {
    x0hat,
    logEvidence,
    logZ: logEvidence.map((value, b) => value + Math.log(eligible[b]!) + (D / 2) * Math.log(2 * Math.PI * sigma[b]! ** 2)),
    effectiveSupport: [...eligible],
    maxWeight: [...eligible.map((rows) => 1 / rows)],
    goldenRows: [...eligible],
    tailMassBound: new Array<number>(B).fill(0),
    tailMassKinds: new Array<'EXACT'>(B).fill('EXACT'),
    tailMassKind: 'EXACT',
    massRows: undefined,
    coverage: coverageOf(plan.manifest, []),
    timings: { totalMs: aggregateMs, queueMs: 0, scatterMs: 0, screenMs: 0, aggregateMs, mergeMs: 0, workerComputeMs: 0 },
  };
}
