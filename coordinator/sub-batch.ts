/** Some queries of a batch as a batch of their own, and their answers put back into that of the whole. A query's answer knows nothing of its neighbours. */

import { invariant } from '../shared/errors.js';
import { distinct, type DenoiserPlan } from './denoisers/denoiser.js';
import { coverageOf } from './step-assignments.js';
import { weakestKind, type StepAnswer, type StepMassRows, type StepTimings } from './step-answer.js';
import type { GoldenPlan, StepPlan } from './step-plan.js';

/** @param queries ascending, at least one */
export function subBatch(plan: StepPlan, queries: readonly number[]): StepPlan {
  const { dim: D, labels, golden } = plan;
  const of = (values: Float64Array): Float64Array => Float64Array.from(queries, (b) => values[b]!);
  const x = new Float64Array(queries.length * D);
  queries.forEach((b, i) => x.set(plan.x.subarray(b * D, (b + 1) * D), i * D));
  return {
    ...plan,
    batch: queries.length,
    x,
    alpha: of(plan.alpha),
    sigma: of(plan.sigma),
    labels: labels && Int32Array.from(queries, (b) => labels[b]!),
    eligible: of(plan.eligible),
    golden:
      golden &&
      ({
        ...golden,
        queryIds: Uint32Array.from(queries, (b) => golden.queryIds[b]!),
        presample: of(golden.presample),
        pool: of(golden.pool),
        subset: of(golden.subset),
      } satisfies GoldenPlan),
    denoiser: denoiserOf(plan.denoiser, queries),
  };
}

/** Only the precisions that are left: each would be made and sent. */
function denoiserOf(denoiser: DenoiserPlan, queries: readonly number[]): DenoiserPlan {
  if (denoiser.route === 'rows') return denoiser;
  if (denoiser.route === 'gaussian') return { ...denoiser, ratio: Float64Array.from(queries, (b) => denoiser.ratio[b]!) };
  const { kinds, of } = distinct(
    queries.map((b) => denoiser.of[b]!),
    (kind) => kind,
  );
  return { ...denoiser, precisions: kinds.map((kind) => denoiser.precisions[kind]!), of };
}

/**
 * The whole with these queries answered anew. Times are those of both; the coverage is that of the partitions that both reached.
 * @param part of the queries' own batch, in their order
 */
export function withAnswers(plan: StepPlan, whole: StepAnswer, queries: readonly number[], part: StepAnswer): StepAnswer {
  const D = plan.dim;
  invariant(part.x0hat.length === queries.length * D, 'every query of the part has its answer');
  const x0hat = whole.x0hat.slice();
  queries.forEach((b, i) => x0hat.set(part.x0hat.subarray(i * D, (i + 1) * D), b * D));
  const placed = <T>(all: readonly T[], own: readonly T[]): T[] => {
    const out = [...all];
    queries.forEach((b, i) => (out[b] = own[i]!));
    return out;
  };
  const tailMassKinds = placed(whole.tailMassKinds, part.tailMassKinds);
  const missing = new Set([...whole.coverage.missingPartitions, ...part.coverage.missingPartitions]);
  return {
    x0hat,
    logEvidence: placed(whole.logEvidence, part.logEvidence),
    logZ: placed(whole.logZ, part.logZ),
    effectiveSupport: placed(whole.effectiveSupport, part.effectiveSupport),
    maxWeight: placed(whole.maxWeight, part.maxWeight),
    goldenRows: placed(whole.goldenRows, part.goldenRows),
    tailMassBound: placed(whole.tailMassBound, part.tailMassBound),
    tailMassKinds,
    tailMassKind: weakestKind(tailMassKinds),
    massRows: whole.massRows && part.massRows && massRowsOf(placed, whole.massRows, part.massRows),
    coverage: coverageOf(
      plan.manifest,
      [...missing].sort((a, b) => a - b),
    ),
    timings: timesOf(whole.timings, part.timings),
  };
}

function massRowsOf(placed: (all: number[], own: number[]) => number[], whole: StepMassRows, part: StepMassRows): StepMassRows {
  return { rows50: placed(whole.rows50, part.rows50), rows90: placed(whole.rows90, part.rows90), rows99: placed(whole.rows99, part.rows99) };
}

function timesOf(whole: StepTimings, part: StepTimings): StepTimings {
  return {
    totalMs: whole.totalMs + part.totalMs,
    queueMs: whole.queueMs + part.queueMs,
    scatterMs: whole.scatterMs + part.scatterMs,
    screenMs: whole.screenMs + part.screenMs,
    aggregateMs: whole.aggregateMs + part.aggregateMs,
    mergeMs: whole.mergeMs + part.mergeMs,
    workerComputeMs: whole.workerComputeMs + part.workerComputeMs,
  };
}
