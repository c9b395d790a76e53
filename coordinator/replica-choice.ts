/** Which worker does which partitions of one step. */

import type { PlacementDocument } from '../shared/control-plane/control-plane.js';
import { blockSize } from './placement.js';

export interface ReplicaChoice {
  /** partitions by worker, ascending */
  readonly work: ReadonlyMap<string, readonly number[]>;
  /** partitions that no usable worker holds, ascending */
  readonly missing: readonly number[];
}

/**
 * Gives every partition to the usable replica with the fewest rows so far, the preferred one among equals; neighbours with the same replicas go to
 * one worker in blocks, so that it can merge them.
 *
 * @param rows rows of each partition id
 */
export function chooseReplicas(
  document: PlacementDocument | undefined,
  rows: ReadonlyMap<number, number>,
  usable: (workerId: string) => boolean,
): ReplicaChoice {
  const replicas = new Map(document?.partitions.map((p) => [p.partition, p.replicas.filter(usable)]));
  const workers = new Set([...replicas.values()].flat());
  const size = blockSize(rows.size, Math.max(1, workers.size));
  const load = new Map<string, number>();
  const work = new Map<string, number[]>();
  const missing: number[] = [];
  let block = '';
  let chosen = '';
  for (const partition of [...rows.keys()].sort((a, b) => a - b)) {
    const able = replicas.get(partition) ?? [];
    if (able.length === 0) {
      missing.push(partition);
      continue;
    }
    const here = `${Math.floor(partition / size)} ${able.join(' ')}`;
    if (here !== block) chosen = able.reduce((a, b) => ((load.get(b) ?? 0) < (load.get(a) ?? 0) ? b : a));
    block = here;
    load.set(chosen, (load.get(chosen) ?? 0) + rows.get(partition)!);
    const list = work.get(chosen);
    if (list) list.push(partition);
    else work.set(chosen, [partition]);
  }
  return { work, missing };
}
