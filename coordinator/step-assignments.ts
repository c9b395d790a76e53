/** Which live worker does which partitions now, and what to do where nobody holds some of them: wait a little, then say so. */

import type { PlacementDocument } from '../shared/control-plane/control-plane.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { GolddiffError, type ErrorCode } from '../shared/errors.js';
import { PROBE_INTERVAL_MS } from '../shared/limits.js';
import { encodeRanges } from '../shared/rpc/status.js';
import { abortReason } from './admission-queue.js';
import { chooseReplicas, type ReplicaChoice } from './replica-choice.js';
import type { StepCoverage } from './step-answer.js';
import { TAKEN_OVER, type Assignment, type Elsewhere } from './scatter.js';
import type { StepContext } from './step-attempt.js';
import type { WorkerLinks } from './worker-links.js';

/** The placement in effect and the workers that live. */
export interface ClusterView {
  placement(): PlacementDocument | undefined;
  /** host:port of a live worker; undefined = not live */
  addressOf(workerId: string): string | undefined;
  /** Resolves at the next change of either, or after the time. */
  changed(withinMs: number, signal: AbortSignal): Promise<void>;
  /** A step has lost this worker, or waited for it in vain: look after it at once rather than at the next probe. */
  suspect(workerId: string): void;
  /** Asks for the placement in effect: a worker knows of a newer one than this coordinator has been told of. Does not fail. */
  refresh(): Promise<void>;
}

/** What another worker might do better at this placement or the next. */
export const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([...TAKEN_OVER, 'EPOCH_STALE']);

export interface Assignments {
  /** placement epoch */
  readonly epoch: number;
  readonly assignments: readonly Assignment[];
  readonly coverage: StepCoverage;
  /** at the same placement */
  readonly elsewhere: Elsewhere;
}

/**
 * @param excluded workers that failed the caller at this placement; emptied when there is another
 * @param waitUntil by performance.now(): how long to wait for partitions that nobody holds
 * @param cost see chooseReplicas
 * @throws PARTITION_MISSING naming the partitions; what the context's signal was aborted with
 */
export async function findAssignments(
  { manifest, allowPartial }: { readonly manifest: Manifest; readonly allowPartial: boolean },
  { cluster, links }: { readonly cluster: ClusterView; readonly links: WorkerLinks },
  context: Pick<StepContext, 'signal' | 'remainingMs'>,
  excluded: Set<string>,
  waitUntil: number,
  cost?: (workerId: string) => number,
): Promise<Assignments> {
  const rows = new Map(manifest.partitions.map((p) => [p.id, p.rows]));
  let epoch = cluster.placement()?.epoch;
  for (;;) {
    const document = cluster.placement();
    // A worker that failed at an older placement may hold its partitions at the new one.
    if (document?.epoch !== epoch) excluded.clear();
    epoch = document?.epoch;
    const usable = (id: string): boolean => !excluded.has(id) && cluster.addressOf(id) !== undefined;
    const assigned = (work: ReplicaChoice['work']): Assignment[] =>
      [...work].map(([id, partitions]) => ({ link: links.get(id, cluster.addressOf(id)!), partitions }));
    const { work, missing } = chooseReplicas(document, rows, usable, cost);
    if (work.size > 0 && (missing.length === 0 || allowPartial)) {
      const elsewhere: Elsewhere = (partitions, avoid) => {
        const some = new Map(partitions.map((p) => [p, rows.get(p)!]));
        const other = chooseReplicas(document, some, (id) => usable(id) && !avoid.has(id), cost);
        return other.missing.length === 0 ? assigned(other.work) : undefined;
      };
      return { epoch: document!.epoch, assignments: assigned(work), coverage: coverageOf(manifest, missing), elsewhere };
    }
    const leftMs = Math.min(waitUntil - performance.now(), context.remainingMs());
    if (leftMs <= 0) throw missingError(manifest, missing);
    await cluster.changed(leftMs, context.signal);
    if (context.signal.aborted) throw abortReason(context.signal);
  }
}

export function coverageOf(manifest: Manifest, missing: readonly number[]): StepCoverage {
  const lost = new Set(missing);
  const rowsReached = manifest.partitions.reduce((sum, p) => sum + (lost.has(p.id) ? 0 : p.rows), 0);
  return { rowsReached, rowsTotal: manifest.rows, fraction: rowsReached / manifest.rows, missingPartitions: [...missing] };
}

function missingError(manifest: Manifest, partitions: readonly number[]): GolddiffError {
  const which = partitions.length === 1 ? `partition ${partitions[0]}` : `partitions ${encodeRanges(partitions)}`;
  const message = `No live worker holds ${which} of data set ${manifest.name}; try again later, or allow a partial answer`;
  return new GolddiffError('PARTITION_MISSING', message, { partitions, retryAfterMs: PROBE_INTERVAL_MS });
}
