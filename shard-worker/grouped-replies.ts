/** Partials that are larger than a message, cut into the pieces that travel: groups and blocks of a step, and moments of a data set. */

import type { GroupsPart } from '../proto/generated/golddiff/v1/GroupsPart.js';
import type { MomentsPart } from '../proto/generated/golddiff/v1/MomentsPart.js';
import { DATA_PLANE_CHUNK_BYTES } from '../shared/limits.js';
import { encodeBlocked, type BlockedPartial } from '../shared/math/blocked-partial.js';
import { encodeGrouped, type GroupedPartial } from '../shared/math/grouped-partial.js';
import { encodeMoments, type MomentSums } from '../shared/math/moment-sums.js';
import type { TreeNode } from '../shared/math/merge-tree.js';

export function groupsParts(node: TreeNode, partial: GroupedPartial): (GroupsPart & { data: Buffer })[] {
  return pieces(encodeGrouped(partial)).map((data, i) => ({ ...node, rows: i === 0 ? [...partial.rows] : [], data }));
}

export function blocksParts(node: TreeNode, partial: BlockedPartial): (GroupsPart & { data: Buffer })[] {
  return pieces(encodeBlocked(partial)).map((data) => ({ ...node, rows: [], data }));
}

export function momentsParts(node: TreeNode, moments: MomentSums): MomentsPart[] {
  return pieces(encodeMoments(moments)).map((data, i) => ({ ...node, rows: i === 0 ? moments.rows : 0, data }));
}

/** At least one, of at most a chunk each. */
function pieces(bytes: Uint8Array<ArrayBuffer>): Buffer[] {
  const found: Buffer[] = [];
  for (let from = 0; from === 0 || from < bytes.length; from += DATA_PLANE_CHUNK_BYTES)
    found.push(Buffer.from(bytes.buffer, from, Math.min(DATA_PLANE_CHUNK_BYTES, bytes.length - from)));
  return found;
}
