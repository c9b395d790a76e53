/**
 * Finds the golden subset of one step over all its workers: up to three cuts, each over the rows that passed the ones before. Every worker scans, only
 * keys near the cut travel (rank-selection.ts), and the subset is the one that a single machine with all rows would choose.
 */

import type { CutVector } from '../proto/generated/golddiff/v1/CutVector.js';
import { RankSearch, type RankWindow, type ScreenKeys } from '../shared/math/rank-selection.js';
import type { StepPlan } from './step-plan.js';
import type { RoundStage } from './round-times.js';
import type { ScreenStageName, WorkerStep } from './worker-step.js';

export interface GoldenSubset {
  /** for Aggregate; a stage in which every row passes for every query is not listed */
  readonly cuts: readonly CutVector[];
  /** [B] eligible rows in the partitions reached; NaN where no screen told */
  readonly eligible: Float64Array;
  /** [B] squared distance of the last row inside the subset, Infinity where every eligible row is in it */
  readonly lastDistance: Float64Array;
}

type Stage = readonly [stage: ScreenStageName, wanted: Float64Array, reaching: Float64Array];

/** Puts a question to every worker; the answers are in ascending order of the workers' first partitions. A worker may be asked in place of another. */
export type ForEachWorker = <T>(stage: RoundStage, ask: (worker: WorkerStep) => Promise<T>) => Promise<T[]>;

export async function findGoldenSubset(plan: StepPlan, forEach: ForEachWorker): Promise<GoldenSubset> {
  const golden = plan.golden!;
  const B = plan.batch;
  const subset: GoldenSubset & { cuts: CutVector[] } = {
    cuts: [],
    eligible: new Float64Array(B).fill(NaN),
    lastDistance: new Float64Array(B).fill(Infinity),
  };
  // The last stage compares with all rows, not with those that reach it: where the pool is the subset its largest distance still bounds the rest.
  const stages: Stage[] = [
    ['PRESAMPLE_HASH', golden.presample, plan.eligible],
    ['PROXY_DISTANCE', golden.pool, golden.presample],
    [
      'FULL_DISTANCE',
      golden.subset,
      plan.eligible.map((rows, b) => (golden.subset[b]! < rows ? Math.max(golden.pool[b]!, golden.subset[b]! + 1) : rows)),
    ],
  ];
  for (const [stage, wanted, reaching] of stages) {
    const search = new RankSearch(wanted, reaching);
    if (search.trivial) continue;
    const last = new Float64Array(B).fill(-Infinity);
    let windows: RankWindow[] | undefined;
    do {
      const round = windows;
      const parts = await forEach(stage, (worker) => screenRound(worker, stage, subset.cuts, search.fractions, round));
      for (const part of parts.flat()) {
        search.add(part);
        noteLast(part, last);
      }
      if (round === undefined) noteEligible(parts.flat(), subset.eligible);
      windows = search.next();
    } while (windows.length > 0);
    const cut = search.cut();
    subset.cuts.push({ stage, key: [...cut.key], rowId: [...cut.rowId] });
    if (stage !== 'FULL_DISTANCE') continue;
    for (let b = 0; b < B; b++) subset.lastDistance[b] = Number.isFinite(cut.key[b]!) ? cut.key[b]! : search.fractions[b]! > 0 ? last[b]! : Infinity;
  }
  return subset;
}

async function screenRound(
  worker: WorkerStep,
  stage: ScreenStageName,
  cuts: readonly CutVector[],
  fractions: Float64Array,
  windows: readonly RankWindow[] | undefined,
): Promise<ScreenKeys[]> {
  if (windows === undefined) return worker.screen(stage, cuts, { fractions });
  const own = windows.filter((w) => worker.partitions.includes(w.partition));
  return own.length === 0 ? [] : worker.screen(stage, cuts, { windows: own });
}

/** Largest key seen of each query. */
function noteLast(part: ScreenKeys, last: Float64Array): void {
  let at = 0;
  for (let i = 0; i < part.queries.length; i++) {
    at += part.count[i]!;
    const b = part.queries[i]!;
    if (part.count[i]! > 0) last[b] = Math.max(last[b]!, part.keys[at - 1]!);
  }
}

/** The first stage in which a query is seen tells how many rows its label has in the partitions reached. */
function noteEligible(parts: readonly ScreenKeys[], eligible: Float64Array): void {
  const here = new Map<number, number>();
  for (const part of parts) {
    for (let i = 0; i < part.queries.length; i++) {
      const rows = part.searchedRows ?? part.eligible[i]!;
      here.set(part.queries[i]!, (here.get(part.queries[i]!) ?? 0) + rows);
    }
  }
  for (const [b, rows] of here) if (Number.isNaN(eligible[b]!)) eligible[b] = rows;
}
