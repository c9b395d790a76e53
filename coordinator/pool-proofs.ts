/**
 * A golden step of the optimal denoiser without looking for its cuts, where it can be proven that they leave out nothing that matters (shared/math/pool-proof.ts):
 * one question to every worker instead of the rounds of golden-search.ts, and rows that are too far to matter are not read. Queries without a proof are searched.
 */

import { MASS_TOLERANCE_DEFAULT } from '../shared/limits.js';
import type { PosteriorScalars } from '../shared/math/partial-posterior.js';
import { isProven, poolShares } from '../shared/math/pool-proof.js';
import type { ForEachWorker } from './golden-search.js';
import type { GoldenPlan, StepPlan } from './step-plan.js';

export interface ProvenQueries {
  /** [B] for Aggregate: the share of the pool where it is proven, else 0 */
  readonly poolShare: readonly number[];
  /** the plan in which every row passes for those queries */
  readonly rest: StepPlan;
  /** scalars by node where that is all queries */
  readonly scalars: ReadonlyMap<string, PosteriorScalars> | undefined;
}

/** Undefined where nothing is proven. @param complete every partition of the data set is reached */
export async function proveQueries(plan: StepPlan, complete: boolean, forEach: ForEachWorker): Promise<ProvenQueries | undefined> {
  const { golden } = plan;
  // A method that is named is the one that finds the candidates.
  if (golden === undefined || !['SEARCH_UNSPECIFIED', 'SEARCH_AUTO'].includes(golden.search) || !complete) return undefined;
  const asked = poolShares(golden, plan.eligible);
  if (asked.every((share) => share === 0)) return undefined;
  const replies = await forEach('PROOFS', (worker) => worker.relevant([...asked]));
  const answered = replies.filter((reply) => reply !== undefined);
  if (answered.length < replies.length) return undefined;
  const proofs = answered.flatMap((reply) => reply.proofs);
  const poolShare = [...asked].map((share, b) => (share > 0 && isProven(proofs, golden, b) ? share : 0));
  if (poolShare.every((share) => share === 0)) return undefined;
  const all = poolShare.every((share) => share > 0);
  return {
    poolShare,
    rest: { ...plan, golden: withoutCuts(golden, plan.eligible, poolShare) },
    scalars: all ? new Map(answered.flatMap((reply) => [...reply.scalars])) : undefined,
  };
}

function withoutCuts(golden: GoldenPlan, eligible: Float64Array, poolShare: readonly number[]): GoldenPlan {
  const passing = (wanted: Float64Array): Float64Array => wanted.map((rows, b) => (poolShare[b]! > 0 ? eligible[b]! : rows));
  return { ...golden, presample: passing(golden.presample), pool: passing(golden.pool), subset: passing(golden.subset) };
}

/** What a search would have told of proven queries: the subset is as large as planned, and its last row no nearer than where rows stop to matter to a partition. */
export function withProven(
  plan: StepPlan,
  { poolShare }: ProvenQueries,
  found: { readonly scalars: PosteriorScalars; readonly lastDistance: Float64Array },
): { readonly scalars: PosteriorScalars; readonly lastDistance: Float64Array } {
  const smallest = Math.min(...plan.manifest.partitions.map(({ rows }) => rows));
  const beyond = Math.log(smallest / (plan.tolerance ?? MASS_TOLERANCE_DEFAULT));
  const { scalars } = found;
  return {
    scalars: { ...scalars, rows: scalars.rows.map((rows, b) => (poolShare[b]! > 0 ? plan.golden!.subset[b]! : rows)) },
    lastDistance: found.lastDistance.map((distance, b) =>
      poolShare[b]! > 0 ? (beyond - scalars.maxLogit[b]!) * 2 * plan.sigma[b]! ** 2 * plan.temperature : distance,
    ),
  };
}
