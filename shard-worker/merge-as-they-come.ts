/**
 * Partials of the partitions of one request, merged along the tree as they come: where one is megabytes, those of all partitions at once are too many.
 * The values and their order are those of mergeLeaves.
 */

import { coveringNodes, type TreeNode } from '../shared/math/merge-tree.js';
import type { MergedNode } from './merge-leaves.js';

/**
 * Nodes in the order of the tree, each given as soon as it is whole. At most `sideBySide` + log2 P partials are held at once.
 * @param held partitions asked for, ascending
 * @param present partitions of the data set, ascending
 * @param sideBySide partitions that are computed at once
 */
export async function* mergeAsTheyCome<T>(
  held: readonly number[],
  present: readonly number[],
  sideBySide: number,
  compute: (partition: number) => Promise<T>,
  merge: (left: T, right: T) => T,
): AsyncGenerator<MergedNode<T>> {
  const take = turns(sideBySide);
  const subtree = async ({ level, index }: TreeNode, ids: readonly number[]): Promise<T | undefined> => {
    if (ids.length === 0) return undefined;
    if (level === 0) return take(() => compute(ids[0]!));
    const middle = (index * 2 + 1) * 2 ** (level - 1);
    const below = [ids.filter((id) => id < middle), ids.filter((id) => id >= middle)] as const;
    const [left, right] = await Promise.all(below.map((own, side) => subtree({ level: level - 1, index: index * 2 + side }, own)));
    return left === undefined ? right : right === undefined ? left : merge(left, right);
  };
  for (const node of coveringNodes(held, present)) {
    const from = node.index * 2 ** node.level;
    const to = from + 2 ** node.level;
    const own = held.filter((id) => id >= from && id < to);
    const value = await subtree(node, own);
    if (value !== undefined) yield { node, value };
  }
}

/** Runs at most so many at once, in the order of asking. */
function turns(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
