/** Moments of the partitions of one request, merged along the tree as they come: D^2 / 2 doubles each are too many to keep those of all partitions. */

import { coveringNodes, type TreeNode } from '../shared/math/merge-tree.js';
import { mergeMoments, type MomentSums } from '../shared/math/moment-sums.js';
import type { MergedNode } from './merge-leaves.js';

/**
 * Nodes in the order of the tree, each given as soon as it is whole.
 * @param held partitions asked for, ascending
 * @param present partitions of the data set, ascending
 * @param sideBySide partitions that are summed at once
 */
export async function* sumMoments(
  held: readonly number[],
  present: readonly number[],
  sideBySide: number,
  moments: (partition: number) => Promise<MomentSums>,
): AsyncGenerator<MergedNode<MomentSums>> {
  const take = turns(sideBySide);
  const subtree = async ({ level, index }: TreeNode, ids: readonly number[]): Promise<MomentSums | undefined> => {
    if (ids.length === 0) return undefined;
    if (level === 0) return take(() => moments(ids[0]!));
    const middle = (index * 2 + 1) * 2 ** (level - 1);
    const below = [
      subtree(
        { level: level - 1, index: index * 2 },
        ids.filter((id) => id < middle),
      ),
      subtree(
        { level: level - 1, index: index * 2 + 1 },
        ids.filter((id) => id >= middle),
      ),
    ];
    const [left, right] = await Promise.all(below);
    return left === undefined ? right : right === undefined ? left : mergeMoments(left, right);
  };
  for (const node of coveringNodes(held, present)) {
    const from = node.index * 2 ** node.level;
    const to = from + 2 ** node.level;
    const value = await subtree(
      node,
      held.filter((id) => id >= from && id < to),
    );
    if (value !== undefined) yield { node, value };
  }
}

/** Runs at most so many at once, in the order of asking. */
function turns(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    running++;
    try {
      return await work();
    } finally {
      running--;
      waiting.shift()?.();
    }
  };
}
