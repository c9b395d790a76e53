/**
 * The partial of one partition for the `wss` aggregator (shared/math/blocked-partial.ts): each block's rows are scored as a step of their own, restricted to
 * them, so that every backend does it with the kernels that it has. What it costs more than the exact softmax is a step to open for each block.
 */

import { invariant } from '../shared/errors.js';
import { blockedLeaf, type BlockedPartial, type OpenBlock } from '../shared/math/blocked-partial.js';
import type { GroupedPartial } from '../shared/math/grouped-partial.js';
import type { Backend, BackendStep, StageCuts, StepQueries } from './backends/backend.js';

/** Rows by their place in the data set, partitions in ascending order. */
export interface RowSpan {
  readonly from: number;
  /** exclusive */
  readonly to: number;
}

export interface BlockWork {
  readonly backend: Backend;
  /** restricted */
  readonly queries: StepQueries;
  readonly partition: number;
  readonly span: RowSpan;
  /** L */
  readonly blockRows: number;
  readonly cuts: StageCuts;
  /** an open step of the work, and how it is let go: whoever ends the work closes it */
  readonly onOpen: (step: BackendStep) => () => void;
}

/** @throws what the backend's steps throw */
export async function blockPartial({ backend, queries, partition, span, blockRows, cuts, onOpen }: BlockWork): Promise<BlockedPartial> {
  const blocks: OpenBlock[] = [];
  for (let block = Math.floor(span.from / blockRows); block * blockRows < span.to; block++) {
    const first = Math.max(span.from, block * blockRows) - span.from;
    const last = Math.min(span.to, (block + 1) * blockRows) - span.from;
    const rows = Uint32Array.from({ length: last - first }, (_, i) => first + i);
    const step = backend.openStep(queries);
    const release = onOpen(step);
    try {
      invariant(step.restrict !== undefined, 'a step of restricted queries is restricted');
      step.restrict(
        partition,
        Array.from({ length: queries.batch }, () => rows),
      );
      blocks.push({ block, partial: queries.precision ? await step.groups(partition, cuts) : await rowsPartial(step, partition, queries, cuts) });
    } finally {
      step.close();
      release();
    }
  }
  return blockedLeaf(blocks);
}

/** One weight for each row is one group; where the kernels tell no least logit, it is the largest. */
async function rowsPartial(step: BackendStep, partition: number, { batch, x }: StepQueries, cuts: StageCuts): Promise<GroupedPartial> {
  const scalars = await step.scalars(partition, cuts);
  // Its own maximum and mass: nothing is left out because another block is heavier.
  const found = await step.sums(partition, cuts, scalars, 0, false);
  const D = x.length / batch;
  const sums = new Float32Array(batch * D);
  invariant(found.queries.length * D === found.sums.length, 'sums are [queries, D]');
  found.queries.forEach((b, k) => sums.set(found.sums.subarray(k * D, (k + 1) * D), b * D));
  const { rows, maxLogit, mass, massSq } = scalars;
  return { rows, maxLogit, mass, massSq, minLogit: maxLogit.slice(), sums };
}
