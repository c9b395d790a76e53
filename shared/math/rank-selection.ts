/**
 * Global top-k over partitions without moving the keys.
 *
 * Each partition can sort its own keys. The wanted cut is the K-th smallest (key, row id) over all partitions. Rows are shuffled, so that in a
 * partition with n eligible rows the cut lies at rank n K / N give or take a few sqrt(n f (1 - f)); each partition therefore sends the keys of a
 * window of ranks around that place, and the cut is read off the union of the windows. It is checked, not hoped: where the cut found lies beyond a
 * partition's window, that window is widened fourfold and asked for again. The result is exactly the K-th key for any split, shuffled or not.
 *
 * Why not the obvious: sending each partition's K best keys moves 12 K bytes per query and partition (72 kB at K = 6000); windows move 12 bytes times
 * about 12 standard deviations (220 keys at n = 3750, f = 0.1), in one round.
 */

import { invariant } from '../errors.js';
import { RANK_ROUNDS_MAX, RANK_WINDOW_SIGMAS, RANK_WINDOW_SLACK } from '../limits.js';

export interface RankRange {
  readonly firstRank: number;
  /** 0 only where nothing is eligible or wanted */
  readonly count: number;
}

/** Window of ranks that a partition with `eligible` rows sends for a cut at the share `fraction` of all eligible rows. */
export function rankWindow(fraction: number, eligible: number): RankRange {
  if (fraction <= 0 || eligible === 0) return { firstRank: 0, count: 0 };
  const f = Math.min(1, fraction);
  const half = Math.ceil(RANK_WINDOW_SIGMAS * Math.sqrt(eligible * f * (1 - f))) + RANK_WINDOW_SLACK;
  const first = Math.max(0, Math.min(eligible - 1, Math.floor(f * eligible) - half));
  const end = Math.min(eligible, Math.ceil(f * eligible) + half);
  return { firstRank: first, count: end - first };
}

/** Keys of one partition, as proto ScreenPart and backend PartitionScreen give them. */
export interface ScreenKeys {
  readonly partition: number;
  readonly queries: ArrayLike<number>;
  readonly eligible: ArrayLike<number>;
  readonly firstRank: ArrayLike<number>;
  readonly count: ArrayLike<number>;
  readonly keys: Float64Array;
  readonly rowIds: Uint32Array;
  /** rows of the partition that an index found the eligible ones among; absent = no index was used */
  readonly searchedRows?: number;
}

export interface RankWindow extends RankRange {
  readonly partition: number;
  readonly query: number;
}

/** The last key inside the selection. */
export interface SelectionCut {
  /** [B]; Infinity lets every row pass */
  readonly key: Float64Array;
  /** [B] */
  readonly rowId: Uint32Array;
}

const ALL_ROW_IDS = 0xffffffff;

/** What is known of one partition's sorted keys for one query: ranks [first, first + keys.length). */
interface Known {
  readonly partition: number;
  readonly eligible: number;
  first: number;
  keys: Float64Array;
  rowIds: Uint32Array;
}

/** The coordinator's side of a search for B cuts at once. */
export class RankSearch {
  readonly #wanted: Float64Array;
  readonly #fractions: Float64Array;
  /** by query, then one entry per partition that has eligible rows */
  readonly #known: Known[][];
  readonly #cut: SelectionCut;
  readonly #open: Set<number>;
  #rounds = 0;

  /**
   * @param wanted [B] rows inside the cut, at least 1; the eligible number or more lets all pass
   * @param eligible [B] eligible rows over all partitions
   */
  constructor(wanted: Float64Array, eligible: Float64Array) {
    const B = wanted.length;
    invariant(eligible.length === B, 'one number of eligible rows for each query');
    this.#wanted = wanted;
    this.#cut = { key: new Float64Array(B).fill(Infinity), rowId: new Uint32Array(B).fill(ALL_ROW_IDS) };
    this.#known = Array.from({ length: B }, () => []);
    this.#open = new Set();
    this.#fractions = new Float64Array(B);
    for (let b = 0; b < B; b++) {
      invariant(wanted[b]! >= 1, 'at least one row is wanted');
      if (wanted[b]! >= eligible[b]!) continue;
      this.#fractions[b] = wanted[b]! / eligible[b]!;
      this.#open.add(b);
    }
  }

  /** [B] for the first round; 0 where every row passes. */
  get fractions(): Float64Array {
    return this.#fractions;
  }

  /** True when no round is needed: every query lets every row pass. */
  get trivial(): boolean {
    return this.#fractions.every((f) => f === 0);
  }

  /** Takes the keys of one partition. In later rounds they must adjoin what is known. */
  add(part: ScreenKeys): void {
    let from = 0;
    for (let i = 0; i < part.queries.length; i++) {
      const query = part.queries[i]!;
      const count = part.count[i]!;
      const keys = part.keys.subarray(from, from + count);
      const rowIds = part.rowIds.subarray(from, from + count);
      from += count;
      if (!this.#open.has(query) || count === 0) continue;
      const known = this.#known[query]!;
      const held = known.find((k) => k.partition === part.partition);
      const first = part.firstRank[i]!;
      if (!held) known.push({ partition: part.partition, eligible: part.eligible[i]!, first, keys, rowIds });
      else if (first + count === held.first) extend(held, first, keys, held.keys, rowIds, held.rowIds);
      else if (held.first + held.keys.length === first) extend(held, held.first, held.keys, keys, held.rowIds, rowIds);
      else invariant(false, `keys of ranks ${first}.. adjoin the known ${held.first}..${held.first + held.keys.length}`);
    }
  }

  /** After all parts of a round: the windows that are still needed; empty when every cut is found. */
  next(): RankWindow[] {
    this.#rounds++;
    invariant(this.#rounds <= RANK_ROUNDS_MAX, 'a rank search ends');
    const windows: RankWindow[] = [];
    for (const query of [...this.#open]) {
      const found = this.#resolve(query);
      windows.push(...found);
      if (found.length === 0) this.#open.delete(query);
    }
    return windows;
  }

  cut(): SelectionCut {
    invariant(this.#open.size === 0, 'a cut is read after the search has ended');
    return this.#cut;
  }

  #resolve(query: number): RankWindow[] {
    const known = this.#known[query]!;
    const wanted = this.#wanted[query]!;
    let below = 0;
    let length = 0;
    let eligible = 0;
    for (const k of known) {
      below += k.first;
      length += k.keys.length;
      eligible += k.eligible;
    }
    if (wanted >= eligible) return [];
    const at = wanted - 1 - below;
    if (at < 0) return known.filter((k) => k.first > 0).map((k) => lower(k, query));
    if (at >= length) return known.filter((k) => k.first + k.keys.length < k.eligible).map((k) => upper(k, query));
    const [key, rowId] = keyAt(known, at);
    const wider: RankWindow[] = [];
    for (const k of known) {
      const last = k.keys.length - 1;
      if (k.first > 0 && isAfter(k.keys[0]!, k.rowIds[0]!, key, rowId)) wider.push(lower(k, query));
      if (k.first + k.keys.length < k.eligible && isAfter(key, rowId, k.keys[last]!, k.rowIds[last]!)) wider.push(upper(k, query));
    }
    if (wider.length === 0) {
      this.#cut.key[query] = key;
      this.#cut.rowId[query] = rowId;
    }
    return wider;
  }
}

/** (key, id) > (otherKey, otherId) in the order of selection. */
function isAfter(key: number, id: number, otherKey: number, otherId: number): boolean {
  return key > otherKey || (key === otherKey && id > otherId);
}

/**
 * The key of rank `at` in the union of the known windows, each ascending by (key, row id). Every round takes the middle of the widest range that is left as a
 * pivot and narrows all of them: O(K log^2 n) for K windows of n keys.
 */
function keyAt(known: readonly Known[], at: number): [number, number] {
  const ranges = known.map((k) => ({ k, from: 0, to: k.keys.length }));
  let rest = at;
  for (;;) {
    const widest = ranges.reduce((a, b) => (b.to - b.from > a.to - a.from ? b : a));
    const middle = (widest.from + widest.to) >>> 1;
    const key = widest.k.keys[middle]!;
    const rowId = widest.k.rowIds[middle]!;
    const splits = ranges.map((range) => (range === widest ? middle : placeOf(range.k, key, rowId, range.from, range.to)));
    const below = splits.reduce((sum, split, i) => sum + split - ranges[i]!.from, 0);
    if (below === rest) return [key, rowId];
    if (below > rest) ranges.forEach((range, i) => (range.to = splits[i]!));
    else {
      ranges.forEach((range, i) => (range.from = range === widest ? middle + 1 : splits[i]!));
      rest -= below + 1;
    }
  }
}

/** First index in [from, to) that is not before (key, row id); row ids are unique. */
function placeOf({ keys, rowIds }: Known, key: number, rowId: number, from: number, to: number): number {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isAfter(key, rowId, keys[middle]!, rowIds[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lower(known: Known, query: number): RankWindow {
  const count = Math.min(known.first, known.keys.length * 3);
  return { partition: known.partition, query, firstRank: known.first - count, count };
}

function upper(known: Known, query: number): RankWindow {
  const firstRank = known.first + known.keys.length;
  return { partition: known.partition, query, firstRank, count: Math.min(known.eligible - firstRank, known.keys.length * 3) };
}

function extend(held: Known, first: number, keysA: Float64Array, keysB: Float64Array, idsA: Uint32Array, idsB: Uint32Array): void {
  const keys = new Float64Array(keysA.length + keysB.length);
  keys.set(keysA);
  keys.set(keysB, keysA.length);
  const rowIds = new Uint32Array(keys.length);
  rowIds.set(idsA);
  rowIds.set(idsB, idsA.length);
  held.first = first;
  held.keys = keys;
  held.rowIds = rowIds;
}
