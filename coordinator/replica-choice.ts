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
 * Gives every partition to the usable replica that would be done with it first, going by the rows it has so far and by what a row costs there; the preferred one among
 * equals. Neighbours with the same replicas go to one worker in blocks, so that it can merge them.
 *
 * @param rows rows of each partition id
 * @param cost of a row on a worker, above 0; absent = all are alike
 */
export function chooseReplicas(
  document: PlacementDocument | undefined,
  rows: ReadonlyMap<number, number>,
  usable: (workerId: string) => boolean,
  cost: (workerId: string) => number = () => 1,
): ReplicaChoice {
  const replicas = new Map(document?.partitions.map((p) => [p.partition, p.replicas.filter(usable)]));
  const workers = new Set([...replicas.values()].flat());
  const size = blockSize(rows.size, Math.max(1, workers.size));
  const load = new Map<string, number>();
  const costs = new Map([...workers].map((id) => [id, cost(id)]));
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
    const done = (id: string): number => ((load.get(id) ?? 0) + rows.get(partition)!) * costs.get(id)!;
    if (here !== block) chosen = able.reduce((a, b) => (done(b) < done(a) ? b : a));
    block = here;
    load.set(chosen, (load.get(chosen) ?? 0) + rows.get(partition)!);
    const list = work.get(chosen);
    if (list) list.push(partition);
    else work.set(chosen, [partition]);
  }
  return { work, missing };
}
