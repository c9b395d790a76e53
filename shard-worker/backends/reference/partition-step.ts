/**
 * One step on one partition, inside a compute thread: which rows of each query are left after the cuts, their keys, and the answers made of them.
 *
 * Cuts come one stage after another, and every request repeats the earlier ones. So the state is a chain of selections: the rows of the query's
 * label, then those inside each cut, each with the keys computed for it so far. A request walks the chain and adds only what is new. What does not fit
 * into the memory for step state is made for the request and dropped; the answer is the same bits.
 */

import { invariant } from '../../../shared/errors.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';
import { presampleHasher } from '../../../shared/math/counter-noise.js';
import { rankWindow } from '../../../shared/math/rank-selection.js';
import type {
  CandidateLists,
  Cut,
  GlobalScalars,
  PartitionScreen,
  PartitionSums,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../backend.js';
import { rankedKeys } from './ranked-keys.js';
import type { RowList } from './row-distances.js';
import { logitDivisors, logitHistogram, posteriorScalars, weightedSums } from './row-posterior.js';
import { poolQueries } from './row-source.js';
import type { StepMemory } from './step-memory.js';
import type { StepPartition } from './step-partition.js';

const STAGES: readonly ScreenStage[] = ['presample', 'proxy', 'full'];

/** Rows of each query after some cuts. */
interface Selection {
  /** [B] */
  readonly lists: readonly RowList[];
  /** stage -> [B] keys of the list's rows, where they have been computed */
  readonly keys: Map<ScreenStage, (Float64Array | undefined)[]>;
  /** by stage: the last cut that was applied here, and what it left */
  readonly next: Map<ScreenStage, { cut: Cut; selection: Selection }>;
  scalars: PosteriorScalars | undefined;
  /** false = made for one request: keeps nothing */
  readonly kept: boolean;
  /** each amount taken from the memory for step state */
  readonly taken: number[];
}

export class PartitionStep {
  readonly #partition: StepPartition;
  readonly #queries: StepQueries;
  readonly #memory: StepMemory;
  readonly #checkpoint: () => void;
  readonly #divisors: Float64Array;
  readonly #candidates: CandidateLists | undefined;
  readonly #all: readonly number[];
  #root: Selection | undefined;
  #pooled: Float64Array | undefined;

  /**
   * @param checkpoint called every millisecond or so of compute; throws to leave the request
   * @param candidates [B] the only eligible rows, see BackendStep.restrict
   */
  constructor(partition: StepPartition, queries: StepQueries, memory: StepMemory, checkpoint: () => void, candidates?: CandidateLists) {
    this.#partition = partition;
    this.#queries = queries;
    this.#memory = memory;
    this.#checkpoint = checkpoint;
    this.#candidates = candidates;
    this.#divisors = logitDivisors(queries.sigma, queries.temperature);
    this.#all = Array.from({ length: queries.batch }, (_, b) => b);
  }

  screen(stage: ScreenStage, cuts: StageCuts, ranks: RankRequest): PartitionScreen {
    const selection = this.#after(cuts);
    const eligible = selection.lists.map((list) => list?.length ?? this.#partition.rows);
    const windows =
      ranks.kind === 'windows' ? ranks.windows : this.#all.map((query) => ({ query, ...rankWindow(ranks.fraction[query]!, eligible[query]!) }));
    const wanted = [...new Set(windows.filter((window) => window.count > 0).map((window) => window.query))];
    const keyOf = new Map(this.#keys(selection, stage, wanted).map((keys, k) => [wanted[k]!, keys]));
    const found = windows.map(({ query, firstRank, count }) => {
      this.#checkpoint();
      return rankedKeys(keyOf.get(query) ?? new Float64Array(0), selection.lists[query], this.#partition.rowIds, firstRank, count);
    });
    return {
      queries: Uint32Array.from(windows, (window) => window.query),
      eligible: Uint32Array.from(windows, (window) => eligible[window.query]!),
      firstRank: Uint32Array.from(windows, (window) => window.firstRank),
      count: Uint32Array.from(windows, (window) => window.count),
      keys: concatenated(
        found.map((part) => part.keys),
        Float64Array,
      ),
      rowIds: concatenated(
        found.map((part) => part.rowIds),
        Uint32Array,
      ),
    };
  }

  scalars(cuts: StageCuts): PosteriorScalars {
    const selection = this.#after(cuts);
    return copyOf(this.#scalars(selection, () => this.#keys(selection, 'full', this.#all)));
  }

  sums(cuts: StageCuts, global: GlobalScalars, negligibleShare: number, histogram: boolean): PartitionSums {
    const selection = this.#after(cuts);
    const distances = this.#keys(selection, 'full', this.#all);
    const own = this.#scalars(selection, () => distances);
    const { lists } = selection;
    const sums = weightedSums(this.#partition, { lists, distances, divisors: this.#divisors, own, global, negligibleShare }, this.#checkpoint);
    return { ...sums, histogram: histogram ? logitHistogram(distances, this.#divisors, global.maxLogit) : undefined };
  }

  groups(cuts: StageCuts): GroupedPartial {
    const { x, alpha, precision } = this.#queries;
    invariant(precision !== undefined, 'groups are of a step with a precision');
    return this.#partition.groups({ x, alpha, divisors: this.#divisors }, precision, this.#after(cuts).lists, this.#checkpoint);
  }

  free(): void {
    if (this.#root) this.#drop(this.#root);
    this.#root = undefined;
  }

  #scalars(selection: Selection, distances: () => readonly Float64Array[]): PosteriorScalars {
    const scalars = selection.scalars ?? posteriorScalars(distances(), this.#divisors);
    if (selection.kept) selection.scalars = scalars;
    return scalars;
  }

  /** The rows that pass all cuts. */
  #after(cuts: StageCuts): Selection {
    this.#root ??= this.#eligible();
    let selection = this.#root;
    for (const stage of STAGES) {
      const cut = cuts[stage];
      if (cut === undefined) continue;
      const known = selection.next.get(stage);
      if (known && sameCut(known.cut, cut)) {
        selection = known.selection;
        continue;
      }
      if (known) this.#drop(known.selection);
      selection.next.delete(stage);
      const narrower = this.#narrowed(selection, stage, cut);
      if (narrower.kept) selection.next.set(stage, { cut, selection: narrower });
      selection = narrower;
    }
    return selection;
  }

  /** The rows of each query's label among its candidates. */
  #eligible(): Selection {
    const { labels, rows } = this.#partition;
    const ofLabel = new Map<number, RowList>([[-1, undefined]]);
    const lists = this.#all.map((b) => {
      const label = this.#queries.labels?.[b] ?? -1;
      const candidates = this.#candidates?.[b];
      if (candidates !== undefined) return label === -1 ? candidates : candidates.filter((row) => labels[row] === label);
      if (!ofLabel.has(label)) {
        const list = new Uint32Array(rows);
        let n = 0;
        for (let i = 0; i < rows; i++) if (labels[i] === label) list[n++] = i;
        ofLabel.set(label, list.slice(0, n));
      }
      return ofLabel.get(label);
    });
    // One list per label, small beside the keys: kept whatever the memory says, so that there is always a root.
    return { lists, keys: new Map(), next: new Map(), scalars: undefined, kept: true, taken: [] };
  }

  #narrowed(selection: Selection, stage: ScreenStage, cut: Cut): Selection {
    const filtered = this.#all.filter((b) => cut.key[b] !== Infinity);
    const stageKeys = this.#keys(selection, stage, filtered);
    const lists = [...selection.lists];
    const keys = new Map([...selection.keys].map(([name, known]) => [name, [...known]]));
    const ofStage = keys.get(stage) ?? lists.map(() => undefined);
    keys.set(stage, ofStage);
    let bytes = 0;
    filtered.forEach((b, k) => {
      this.#checkpoint();
      const own = stageKeys[k]!;
      const inside = this.#inside(selection.lists[b], own, cut.key[b]!, cut.rowId[b]!);
      const from = selection.lists[b];
      lists[b] = inside.map((i) => (from === undefined ? i : from[i]!));
      bytes += lists[b].byteLength;
      ofStage[b] = own;
      for (const known of keys.values()) {
        const wide = known[b];
        if (wide === undefined) continue;
        known[b] = Float64Array.from(inside, (i) => wide[i]!);
        bytes += inside.length * 8;
      }
    });
    const kept = selection.kept && this.#memory.take(bytes);
    return { lists, keys, next: new Map(), scalars: undefined, kept, taken: kept ? [bytes] : [] };
  }

  /** Places in the list whose (key, row id) is not above the cut. */
  #inside(list: RowList, keys: Float64Array, cutKey: number, cutId: number): Uint32Array {
    const { rowIds } = this.#partition;
    const places = new Uint32Array(keys.length);
    let n = 0;
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (key < cutKey || (key === cutKey && rowIds[list === undefined ? i : list[i]!]! <= cutId)) places[n++] = i;
    }
    return places.slice(0, n);
  }

  /** Keys of the wanted queries, kept if they fit. */
  #keys(selection: Selection, stage: ScreenStage, wanted: readonly number[]): Float64Array[] {
    const known = selection.keys.get(stage) ?? this.#all.map(() => undefined);
    const missing = wanted.filter((b) => known[b] === undefined);
    const found = missing.length === 0 ? [] : this.#computeKeys(selection, stage, missing);
    const made = new Map(missing.map((b, k) => [b, found[k]!]));
    const bytes = found.reduce((sum, keys) => sum + keys.byteLength, 0);
    if (missing.length > 0 && selection.kept && this.#memory.take(bytes)) {
      selection.taken.push(bytes);
      made.forEach((keys, b) => (known[b] = keys));
      selection.keys.set(stage, known);
    }
    return wanted.map((b) => known[b] ?? made.get(b)!);
  }

  #computeKeys(selection: Selection, stage: ScreenStage, wanted: readonly number[]): Float64Array[] {
    const { alpha, x, batch, golden } = this.#queries;
    const partition = this.#partition;
    if (stage === 'full') return partition.fullDistances({ x, alpha }, wanted, selection.lists, this.#checkpoint);
    invariant(golden !== undefined, 'a step with candidate stages has golden settings');
    if (stage === 'proxy') {
      const geometry = proxyGeometry(partition.shape, golden.proxyResolution);
      this.#pooled ??= poolQueries(x, batch, partition.rowValues, partition.shape, geometry);
      return partition.proxyDistances(geometry, { x: this.#pooled, alpha }, wanted, selection.lists, this.#checkpoint);
    }
    return wanted.map((b) => {
      this.#checkpoint();
      const hash = presampleHasher(golden.presampleSeed, golden.presampleStep, golden.queryIds[b]!);
      const list = selection.lists[b];
      const keys = new Float64Array(list?.length ?? partition.rows);
      for (let i = 0; i < keys.length; i++) keys[i] = hash(partition.rowIds[list === undefined ? i : list[i]!]!);
      return keys;
    });
  }

  #drop(selection: Selection): void {
    selection.next.forEach((next) => this.#drop(next.selection));
    selection.taken.forEach((bytes) => this.#memory.give(bytes));
  }
}

function sameCut(a: Cut, b: Cut): boolean {
  return a.key.every((key, i) => key === b.key[i]) && a.rowId.every((id, i) => id === b.rowId[i]);
}

/** Answers are handed over to another thread whole; what is kept here must not go with them. */
function copyOf(scalars: PosteriorScalars): PosteriorScalars {
  return { maxLogit: scalars.maxLogit.slice(), mass: scalars.mass.slice(), massSq: scalars.massSq.slice(), rows: scalars.rows.slice() };
}

function concatenated<T extends Float64Array | Uint32Array>(parts: readonly T[], make: new (length: number) => T): T {
  const out = new make(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
