/**
 * The one binary tree over partition ids along which partials are merged.
 *
 * Node (level, index) covers partitions [index * 2^level, (index + 1) * 2^level). Its value is the merge of its two children, left first; a child
 * without partitions is passed over, not merged. Every node rounds the same way wherever it is computed, so a worker may merge the aligned
 * subtrees that it holds, and the root is bit-identical for every placement.
 */

import { invariant } from '../errors.js';

export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

export function nodeKey(node: TreeNode): string {
  return `${node.level}:${node.index}`;
}

/**
 * The fewest aligned nodes that cover exactly `held`, seen among the partitions that exist (`present`, both ascending without repeats).
 * A node is whole if every present partition under it is held. O(P log P).
 */
export function coveringNodes(held: readonly number[], present: readonly number[]): TreeNode[] {
  const holds = new Set(held);
  const nodes: TreeNode[] = [];
  const visit = (level: number, index: number, under: readonly number[]): void => {
    if (under.length === 0) return;
    const inside = under.filter((p) => holds.has(p));
    if (inside.length === 0) return;
    if (inside.length === under.length) {
      nodes.push({ level, index });
      return;
    }
    invariant(level > 0, 'a leaf is held or not');
    const middle = (index * 2 + 1) * 2 ** (level - 1);
    visit(
      level - 1,
      index * 2,
      under.filter((p) => p < middle),
    );
    visit(
      level - 1,
      index * 2 + 1,
      under.filter((p) => p >= middle),
    );
  };
  visit(rootLevel(present), 0, present);
  return nodes;
}

/** Level of the smallest tree that covers partitions 0 .. max(present). */
export function rootLevel(present: readonly number[]): number {
  const last = present[present.length - 1] ?? 0;
  let level = 0;
  while (2 ** level <= last) level++;
  return level;
}

/** Partitions of `present` under a node, ascending. */
export function partitionsUnder(node: TreeNode, present: readonly number[]): number[] {
  const from = node.index * 2 ** node.level;
  const to = from + 2 ** node.level;
  return present.filter((p) => p >= from && p < to);
}

/**
 * Value of `root` from the values of a set of disjoint nodes that cover all that is present under it; undefined if none lies under it.
 * Values are merged along the tree whatever the order of `values`.
 */
export function mergeUp<T>(values: ReadonlyMap<string, T>, root: TreeNode, merge: (left: T, right: T) => T): T | undefined {
  const own = values.get(nodeKey(root));
  if (own !== undefined) return own;
  if (root.level === 0) return undefined;
  const left = mergeUp(values, { level: root.level - 1, index: root.index * 2 }, merge);
  const right = mergeUp(values, { level: root.level - 1, index: root.index * 2 + 1 }, merge);
  if (left === undefined) return right;
  if (right === undefined) return left;
  return merge(left, right);
}
