/** What a worker sends of its partitions: their partials merged into the fewest nodes of the one merge tree. */

import { coveringNodes, type TreeNode } from '../shared/math/merge-tree.js';
import type { LogitHistogram } from './backends/backend.js';

export interface MergedNode<T> {
  readonly node: TreeNode;
  readonly value: T;
}

/**
 * Merges leaves along the tree, left first; the same values in the same order as mergeUp gives, but with a pause before each merge, so that large sums
 * do not hold the event loop.
 *
 * @param leaves value of each partition of the step
 * @param present partitions of the data set, ascending: they say which nodes are whole
 */
export async function mergeLeaves<T>(
  leaves: ReadonlyMap<number, T>,
  present: readonly number[],
  merge: (left: T, right: T) => T,
  pause: () => Promise<void>,
): Promise<MergedNode<T>[]> {
  const held = [...leaves.keys()].sort((a, b) => a - b);
  const subtree = async (level: number, index: number, ids: readonly number[]): Promise<T | undefined> => {
    if (ids.length === 0) return undefined;
    if (level === 0) return leaves.get(ids[0]!);
    const middle = (index * 2 + 1) * 2 ** (level - 1);
    const split = ids.findIndex((id) => id >= middle);
    const left = await subtree(level - 1, index * 2, split === -1 ? ids : ids.slice(0, split));
    const right = await subtree(level - 1, index * 2 + 1, split === -1 ? [] : ids.slice(split));
    if (left === undefined) return right;
    if (right === undefined) return left;
    await pause();
    return merge(left, right);
  };
  const merged: MergedNode<T>[] = [];
  for (const node of coveringNodes(held, present)) {
    const from = node.index * 2 ** node.level;
    const to = from + 2 ** node.level;
    const value = await subtree(
      node.level,
      node.index,
      held.filter((id) => id >= from && id < to),
    );
    if (value !== undefined) merged.push({ node, value });
  }
  return merged;
}

/** Rows add exactly; mass is relative to the same global maximum on both sides and adds in double. */
export function mergeHistograms(left: LogitHistogram, right: LogitHistogram): LogitHistogram {
  return { rows: left.rows.map((n, i) => n + right.rows[i]!), mass: left.mass.map((m, i) => m + right.mass[i]!) };
}
