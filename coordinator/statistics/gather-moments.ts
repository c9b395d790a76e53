/** Sums of products over the whole data set from the workers that hold it, merged along the one tree, so that their bits do not depend on the placement. */

import type { MomentsPart__Output } from '../../proto/generated/golddiff/v1/MomentsPart.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { asGolddiffError, invariant } from '../../shared/errors.js';
import { MOMENTS_TIMEOUT_MS, STEP_ATTEMPTS_MAX } from '../../shared/limits.js';
import type { Logger } from '../../shared/log.js';
import { mergeUp, rootLevel } from '../../shared/math/merge-tree.js';
import { decodeMoments, mergeMoments, momentsBytes, type MomentSums } from '../../shared/math/moment-sums.js';
import { NodeAssembly } from '../node-assembly.js';
import { ELSEWHERE, findAssignments, type ClusterView } from '../step-assignments.js';
import type { Assignment } from '../scatter.js';
import { WorkerFailure } from '../share-race.js';
import { rowValues } from '../step-plan.js';
import type { WorkerLinks } from '../worker-links.js';

export interface GatherSettings {
  readonly cluster: ClusterView;
  readonly links: WorkerLinks;
  readonly log: Logger;
  /** time to wait for partitions that nobody holds */
  readonly placementWaitMs: number;
}

/**
 * @param label rows of it only; -1 = all
 * @throws PARTITION_MISSING, and what workers fail with; a worker that is lost is replaced by others a few times
 */
export async function gatherMoments(manifest: Manifest, label: number, settings: GatherSettings, signal: AbortSignal): Promise<MomentSums> {
  const waitUntil = performance.now() + settings.placementWaitMs;
  const excluded = new Set<string>();
  for (let attempt = 1; ; attempt++) {
    const context = { signal, remainingMs: () => Infinity };
    const { epoch, assignments } = await findAssignments({ manifest, allowPartial: false }, settings, context, excluded, waitUntil);
    try {
      return await gatherOnce(manifest, label, epoch, assignments, signal);
    } catch (thrown) {
      if (!(thrown instanceof WorkerFailure)) throw thrown;
      const { workerId, error } = thrown;
      if (!ELSEWHERE.has(error.code) || attempt === STEP_ATTEMPTS_MAX) throw error;
      settings.log.warn({ workerId, code: error.code, attempt }, 'moments are gathered anew without a worker');
      settings.cluster.suspect(workerId);
      if (error.code === 'EPOCH_STALE') await settings.cluster.refresh();
      excluded.add(workerId);
    }
  }
}

async function gatherOnce(
  manifest: Manifest,
  label: number,
  epoch: number,
  assignments: readonly Assignment[],
  signal: AbortSignal,
): Promise<MomentSums> {
  const present = manifest.partitions.map((p) => p.id);
  const dim = rowValues(manifest);
  const nodes = new Map<string, MomentSums>();
  await Promise.all(
    assignments.map(async ({ link, partitions }) => {
      try {
        const request = { dataSet: manifest.name, epoch, partitions: [...partitions], label };
        const assembly = new NodeAssembly<MomentsPart__Output>(link.workerId, 'moments', momentsBytes(dim));
        await link.moments(request, MOMENTS_TIMEOUT_MS, signal, (part) => assembly.add(part));
        for (const [key, sums] of assembly.finish(partitions, present, ({ rows }, bytes) => decodeMoments(rows, dim, bytes))) nodes.set(key, sums);
      } catch (thrown) {
        throw new WorkerFailure(link.workerId, asGolddiffError(thrown), link, partitions);
      }
    }),
  );
  const moments = mergeUp(nodes, { level: rootLevel(present), index: 0 }, mergeMoments);
  invariant(moments !== undefined, 'the nodes cover the partitions');
  return moments;
}
