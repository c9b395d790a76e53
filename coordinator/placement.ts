/**
 * Who holds which partitions: a pure function of the workers, the replication factor and what was before.
 *
 * Partitions are dealt in aligned blocks of a power of two, so that a worker can merge whole subtrees and send a few partials. Blocks go to workers by
 * rendezvous hashing (each pair of block and worker has a score; the highest win) under quotas: with L = blocks * R / workers, every worker holds
 * floor(L) or ceil(L) blocks. Plain rendezvous hashing leaves some of eight workers with nothing to do at sixteen blocks; the quota does not.
 *
 * What was before stays where it is as far as the quotas allow: moving a partition means loading it again. No worker gets more bytes than its budget; where
 * budgets bind, balance yields to them, blocks are cut smaller, and what fits nowhere is missing rather than loaded over somebody's budget.
 */

import { createHash } from 'node:crypto';
import { invariant } from '../shared/errors.js';

export interface PlacedPartition {
  readonly partition: number;
  /** worker ids, the preferred one first */
  readonly replicas: readonly string[];
}

export interface PlacementInput {
  /** ids, ascending */
  readonly partitions: readonly number[];
  /** live workers that take work */
  readonly workers: readonly string[];
  /** replicas wanted for each partition, >= 1; fewer where there are fewer workers */
  readonly replicas: number;
  /** the placement before */
  readonly previous?: readonly PlacedPartition[];
  /** true where the worker has failed to load the partition */
  readonly refused?: (partition: number, workerId: string) => boolean;
  /** device memory that a partition takes; absent = none is counted */
  readonly bytes?: (partition: number) => number;
  /** device memory of a worker; Infinity = not limited */
  readonly budgetBytes?: (workerId: string) => number;
}

/** Blocks per worker that the block size aims at: enough to balance, few enough to merge well. */
const BLOCKS_PER_WORKER = 4;

/** For each partition its replicas; none where no worker can hold it. Deterministic: the order of `workers` does not matter. */
export function computePlacement(input: PlacementInput): PlacedPartition[] {
  const workers = [...input.workers].sort();
  invariant(input.replicas >= 1, 'a partition has a replica');
  if (workers.length === 0) return input.partitions.map((partition) => ({ partition, replicas: [] }));
  const replicas = Math.min(input.replicas, workers.length);
  const previous = new Map(input.previous?.map((p) => [p.partition, p.replicas]));
  const wanted = replicas === 1 ? undividedBlockSize(input.partitions.length, workers.length) : blockSize(input.partitions.length, workers.length);
  const size = Math.min(wanted, previousBlockSize(input.partitions, previous));
  const budgets = new Map(workers.map((w) => [w, input.budgetBytes?.(w) ?? Infinity]));
  let blocks = blocksFor(input, workers, previous, size);
  deal(blocks, workers, replicas, budgets);
  // A block that fits nowhere whole may fit in halves.
  for (let half = size / 2; half >= 1 && blocks.some((b) => b.holders.length < Math.min(replicas, b.able.length)); half /= 2) {
    blocks = blocksFor(input, workers, previous, half);
    deal(blocks, workers, replicas, budgets);
  }
  return blocks.flatMap((block) => {
    const order = (w: string): number => {
      const before = previous.get(block.partitions[0]!)?.indexOf(w) ?? -1;
      return before >= 0 ? before : workers.length + block.able.indexOf(w);
    };
    const ordered = [...block.holders].sort((a, b) => order(a) - order(b));
    return block.partitions.map((partition) => ({ partition, replicas: ordered }));
  });
}

interface Block {
  readonly partitions: readonly number[];
  readonly bytes: number;
  /** workers that can hold it, best score first */
  readonly able: readonly string[];
  /** of those, the ones that hold some of it now */
  readonly held: readonly string[];
  holders: string[];
}

function blocksFor(input: PlacementInput, workers: readonly string[], previous: ReadonlyMap<number, readonly string[]>, size: number): Block[] {
  return blocksOf(input.partitions, size).map((partitions): Block => {
    const able = workers.filter((w) => !partitions.some((p) => input.refused?.(p, w)));
    const score = new Map(able.map((w) => [w, rendezvousScore(partitions[0]!, w)]));
    const held = able.filter((w) => partitions.some((p) => previous.get(p)?.includes(w)));
    const bytes = partitions.reduce((sum, p) => sum + (input.bytes?.(p) ?? 0), 0);
    return { partitions, bytes, able: able.sort((a, b) => score.get(b)! - score.get(a)!), held, holders: [] };
  });
}

/** Fills `holders` of every block under the quotas of the file header. */
function deal(blocks: readonly Block[], workers: readonly string[], replicas: number, budgetBytes: ReadonlyMap<string, number>): void {
  const total = blocks.reduce((sum, b) => sum + Math.min(replicas, b.able.length), 0);
  const floor = Math.floor(total / workers.length);
  const load = new Map(workers.map((w) => [w, 0]));
  const heldBlocks = (w: string): number => blocks.reduce((n, b) => n + (b.held.includes(w) ? 1 : 0), 0);
  // Those that hold most keep the extra block: fewer moves.
  const richest = [...workers].sort((a, b) => heldBlocks(b) - heldBlocks(a));
  const quota = new Map(richest.map((w, i) => [w, floor + (i < total % workers.length ? 1 : 0)]));
  const used = new Map(workers.map((w) => [w, 0]));
  const dealing: Dealing = {
    blocks,
    load,
    room: (w) => load.get(w)! < quota.get(w)!,
    fits: (block, w, freedBytes = 0) => used.get(w)! - freedBytes + block.bytes <= budgetBytes.get(w)!,
    take: (block, w) => {
      block.holders.push(w);
      load.set(w, load.get(w)! + 1);
      used.set(w, used.get(w)! + block.bytes);
    },
    leave: (block, w) => {
      block.holders = block.holders.filter((holder) => holder !== w);
      load.set(w, load.get(w)! - 1);
      used.set(w, used.get(w)! - block.bytes);
    },
  };
  const { room, fits, take } = dealing;
  for (const block of blocks) {
    for (const w of block.able) if (block.held.includes(w) && block.holders.length < replicas && room(w) && fits(block, w)) take(block, w);
  }
  for (const block of blocks) {
    const wanted = Math.min(replicas, block.able.length);
    while (block.holders.length < wanted) {
      const taker = block.able.find((w) => room(w) && fits(block, w) && !block.holders.includes(w));
      if (taker !== undefined) take(block, taker);
      else if (!exchange(block, dealing)) {
        const last = leastLoaded(block, dealing);
        if (last === undefined) break;
        take(block, last);
      }
    }
  }
}

/** What has been dealt so far. */
interface Dealing {
  readonly blocks: readonly Block[];
  /** blocks of each worker */
  readonly load: ReadonlyMap<string, number>;
  /** below its quota of blocks */
  readonly room: (w: string) => boolean;
  /** within its budget of bytes, `freedBytes` of which it would give up */
  readonly fits: (block: Block, w: string, freedBytes?: number) => boolean;
  readonly take: (block: Block, w: string) => void;
  readonly leave: (block: Block, w: string) => void;
}

/** A worker with room cannot take this block: it takes a replica of another block instead, whose holder takes this one. */
function exchange(block: Block, { blocks, room, fits, take, leave }: Dealing): boolean {
  for (const other of blocks) {
    if (other === block) continue;
    for (const giver of other.holders) {
      if (block.holders.includes(giver) || !block.able.includes(giver) || !fits(block, giver, other.bytes)) continue;
      const taker = other.able.find((w) => room(w) && fits(other, w) && !other.holders.includes(w));
      if (taker === undefined) continue;
      leave(other, giver);
      take(other, taker);
      take(block, giver);
      return true;
    }
  }
  return false;
}

/** Refusals and budgets may leave no exchange; then balance yields to coverage. */
function leastLoaded(block: Block, { load, fits }: Dealing): string | undefined {
  const free = block.able.filter((w) => !block.holders.includes(w) && fits(block, w));
  return free.length === 0 ? undefined : free.reduce((a, b) => (load.get(b)! < load.get(a)! ? b : a));
}

/** Largest power of two that leaves each worker about four blocks, at least 1. */
export function blockSize(partitions: number, workers: number): number {
  let size = 1;
  while (partitions / (size * 2) >= workers * BLOCKS_PER_WORKER) size *= 2;
  return size;
}

/**
 * Without replicas a step asks the same workers for the same blocks each time: where one block each is balance, one partial each is all that they send. With
 * replicas smaller blocks share the work of a lost worker among all others.
 */
function undividedBlockSize(partitions: number, workers: number): number {
  const each = partitions / workers;
  return Number.isInteger(Math.log2(each)) && each >= 1 ? each : blockSize(partitions, workers);
}

/** Largest aligned block within which the placement before is uniform: a smaller number of workers must not make blocks that span two of them. */
function previousBlockSize(partitions: readonly number[], previous: ReadonlyMap<number, readonly string[]>): number {
  if (previous.size === 0) return Infinity;
  const uniform = (size: number): boolean =>
    blocksOf(partitions, size).every((block) => new Set(block.map((p) => (previous.get(p) ?? []).join())).size === 1);
  let size = 1;
  while (size * 2 <= partitions.length && uniform(size * 2)) size *= 2;
  return size;
}

function blocksOf(partitions: readonly number[], size: number): number[][] {
  const blocks = new Map<number, number[]>();
  for (const p of partitions) {
    const index = Math.floor(p / size);
    const block = blocks.get(index);
    if (block) block.push(p);
    else blocks.set(index, [p]);
  }
  return [...blocks.values()];
}

/** Uniform in [0, 2^48), from the pair alone. The block is named by its first partition, so that halving a block keeps its first half in place. */
function rendezvousScore(firstPartition: number, workerId: string): number {
  return createHash('sha256').update(`${firstPartition}\n${workerId}`).digest().readUIntBE(0, 6);
}
