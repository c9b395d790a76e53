/**
 * The native backend: the engine of shard-worker/native, which computes on its own threads. This side keeps the count of memory, checks shapes
 * (behind the edge a wrong length would be a wrong address) and turns the addon's errors into ours.
 */

import { GolddiffError, invariant } from '../../../shared/errors.js';
import { HISTOGRAM_BINS, MASS_TOLERANCE_DEFAULT, SKIPPED_SHARE_QUANTUM, WORKER_STEP_STATE_BYTES_MAX } from '../../../shared/limits.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { MomentSums } from '../../../shared/math/moment-sums.js';
import { proxyGeometry } from '../../../shared/math/proxy.js';
import type {
  Backend,
  BackendName,
  BackendStep,
  CandidateLists,
  Cut,
  GlobalScalars,
  PartitionRef,
  PartitionRows,
  PartitionScalars,
  PartitionScreen,
  PartitionSums,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepPrecision,
  StepQueries,
} from '../backend.js';
import { checkDeviceMemory, notHeld, partitionKey } from '../resident-partitions.js';
import { engineError } from './engine-error.js';
import { expectedBytes, HeldPartition } from './held-partition.js';
import {
  NATIVE_STAGE,
  type EngineCalls,
  type Isa,
  type NativeAddon,
  type NativeCuts,
  type NativeEngine,
  type NativeGrouping,
  type NativePartition,
  type NativeStep,
} from '../../../shared/native/native-addon.js';
import { momentsOfBytes } from './native-moments.js';

/** What differs between engines that share the calls of the native addon. */
export interface EngineTraits {
  readonly name: BackendName;
  /** bytes that a partition will take of what is budgeted, its proxies included */
  readonly expectedBytes: (rows: PartitionRows) => number;
  /** the engine reads the rows where JavaScript has them, and `partitionBytes` comes on top; else it has copied them, and that is all */
  readonly sharesRows: boolean;
  /** takes a poolShare and proves, of rows with one weight each */
  readonly provesPools: boolean;
}

/** What is asked of an engine; without `restrict` it takes no candidates, without `covariance` (exact for 8-bit rows) it has `moments` alone. */
export type BackendCalls = EngineCalls & Pick<NativeAddon, 'createEngine'> & Partial<Pick<NativeAddon, 'restrict' | 'covariance'>>;

const NATIVE: EngineTraits = { name: 'native', expectedBytes, sharesRows: true, provesPools: true };

export interface NativeBackendSettings {
  readonly addon: BackendCalls;
  /** of another engine than the CPU's */
  readonly traits?: EngineTraits;
  /** one that the addon detected */
  readonly isa: Isa;
  /** 1 or more */
  readonly computeThreads: number;
  /** budget for resident rows; Infinity = none */
  readonly deviceMemoryBytes: number;
  /** what steps may keep together */
  readonly stepStateBytesMax?: number;
}

export class NativeBackend implements Backend {
  readonly isa: Isa;
  readonly computeThreads: number;
  readonly #addon: BackendCalls;
  readonly #traits: EngineTraits;
  readonly #engine: NativeEngine;
  readonly #deviceMemoryBytes: number;
  readonly #held = new Map<string, HeldPartition>();
  readonly #open = new Set<OpenStep>();
  #closed = false;

  constructor(settings: NativeBackendSettings) {
    invariant(settings.computeThreads >= 1, 'a backend has a compute thread');
    this.#addon = settings.addon;
    this.#traits = settings.traits ?? NATIVE;
    this.isa = settings.isa;
    this.computeThreads = settings.computeThreads;
    this.#deviceMemoryBytes = settings.deviceMemoryBytes;
    const { addon, isa, computeThreads: threads, stepStateBytesMax = WORKER_STEP_STATE_BYTES_MAX } = settings;
    try {
      this.#engine = addon.createEngine({ threads, isa, stepStateBytesMax });
    } catch (thrown) {
      throw engineError(thrown, `The ${this.name} engine of ${threads} threads`);
    }
  }

  get name(): BackendName {
    return this.#traits.name;
  }

  get takesCandidates(): boolean {
    return this.#addon.restrict !== undefined;
  }

  get residentBytes(): number {
    let bytes = 0;
    for (const held of this.#held.values()) bytes += held.bytes;
    return bytes;
  }

  /** Bytes of step state that are kept now. */
  get stepStateBytes(): number {
    return this.#closed ? 0 : this.#addon.stepStateBytes(this.#engine);
  }

  async load(partition: PartitionRows): Promise<void> {
    const key = partitionKey(partition);
    try {
      const held = this.#hold(key, partition);
      await held.native.catch((thrown: unknown) => {
        if (this.#held.get(key) === held) this.#held.delete(key);
        throw thrown;
      });
    } catch (thrown) {
      throw engineError(thrown, `Partition ${partition.partition} of ${partition.dataSet}`);
    }
  }

  #hold(key: string, partition: PartitionRows): HeldPartition {
    const { rows, shape, values, labels, rowIds } = partition;
    const dim = shape[0] * shape[1] * shape[2];
    invariant(!this.#closed, 'a closed backend loads nothing');
    invariant(values.buffer instanceof SharedArrayBuffer, 'rows lie in shared memory');
    invariant(dim >= 1 && values.length === rows * dim && labels.length === rows && rowIds.length === rows, 'a partition has n rows of D values');
    invariant(!this.#held.has(key), 'a partition is loaded once');
    const bytes = this.#traits.expectedBytes(partition);
    checkDeviceMemory(partition, bytes, this.#deviceMemoryBytes - this.residentBytes);
    const held = new HeldPartition(this.#addon, this.#engine, partition, { expectedBytes: bytes, sharesRows: this.#traits.sharesRows });
    this.#held.set(key, held);
    return held;
  }

  unload(ref: PartitionRef): Promise<void> {
    const key = partitionKey(ref);
    this.#held.get(key)?.unload();
    this.#held.delete(key);
    return Promise.resolve();
  }

  async moments(ref: PartitionRef, label: number): Promise<MomentSums> {
    const held = this.#held.get(partitionKey(ref));
    if (held === undefined) throw notHeld(ref);
    try {
      const { covariance: integerProducts } = this.#addon;
      if (integerProducts === undefined || label !== -1 || !held.eightBit || held.rows < 2)
        return await held.use((native) => this.#addon.moments(this.#engine, native, label));
      // Integer products are five times as fast.
      const { mean, covariance } = await held.use((native) => integerProducts(this.#engine, [native]));
      return momentsOfBytes(held.rows, mean, covariance);
    } catch (thrown) {
      throw engineError(thrown, `Sums of products over partition ${ref.partition} of ${ref.dataSet}`);
    }
  }

  openStep(queries: StepQueries): BackendStep {
    checkQueries(queries);
    const heldOf = (partition: number): HeldPartition => {
      const ref = { dataSet: queries.dataSet, partition };
      const held = this.#held.get(partitionKey(ref));
      if (held) return held;
      throw notHeld(ref);
    };
    const step: OpenStep = new OpenStep(this.#addon, this.#engine, this.#traits, queries, heldOf, () => this.#open.delete(step));
    this.#open.add(step);
    return step;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const step of [...this.#open]) step.close();
    const held = [...this.#held.values()];
    this.#held.clear();
    for (const partition of held) partition.unload();
    await Promise.allSettled(held.map(({ native }) => native));
    this.#addon.closeEngine(this.#engine);
  }
}

class OpenStep implements BackendStep {
  readonly #pending = new Set<(error: GolddiffError) => void>();
  /** of partitions that nothing has been asked of yet */
  readonly #candidates = new Map<number, CandidateLists>();
  /** where the engine takes candidates */
  readonly restrict?: (partition: number, candidates: CandidateLists) => void;
  #native: NativeStep | undefined;
  #closed = false;

  constructor(
    readonly addon: BackendCalls,
    readonly engine: NativeEngine,
    private readonly traits: EngineTraits,
    readonly queries: StepQueries,
    readonly heldOf: (partition: number) => HeldPartition,
    readonly onClose: () => void,
  ) {
    if (addon.restrict !== undefined) this.restrict = (partition, candidates) => this.#keepCandidates(partition, candidates);
  }

  /** Proofs are of rows with one weight each. */
  get provesPools(): boolean {
    return this.traits.provesPools && this.queries.precision === undefined;
  }

  #keepCandidates(partition: number, candidates: CandidateLists): void {
    invariant(candidates.length === this.queries.batch, 'candidates are given for each query');
    this.#candidates.set(partition, candidates);
  }

  async screen(partition: number, stage: ScreenStage, cuts: StageCuts, ranks: RankRequest): Promise<PartitionScreen> {
    const { batch } = this.queries;
    const nativeCuts = cutsOf(cuts, this.queries);
    invariant(stage === 'full' || this.queries.golden !== undefined, 'a step with candidate stages has golden settings');
    const fraction = ranks.kind === 'fraction' ? ranks.fraction : undefined;
    invariant(fraction === undefined || fraction.length === batch, 'a screen by fraction has one for each query');
    const windows = ranks.kind === 'windows' ? Uint32Array.from(ranks.windows.flatMap((w) => [w.query, w.firstRank, w.count])) : undefined;
    invariant(ranks.kind !== 'windows' || ranks.windows.every((w) => w.query < batch), 'a window is of a query of the batch');
    return this.#run(partition, (step, native) => this.addon.screen(step, native, NATIVE_STAGE[stage], nativeCuts, fraction, windows));
  }

  async scalars(partition: number, cuts: StageCuts): Promise<PartitionScalars> {
    const nativeCuts = cutsOf(cuts, this.queries);
    return this.#run(partition, (step, native) => this.addon.scalars(step, native, nativeCuts));
  }

  async sums(partition: number, cuts: StageCuts, global: GlobalScalars, negligibleShare: number, histogram: boolean): Promise<PartitionSums> {
    const { batch } = this.queries;
    const nativeCuts = cutsOf(cuts, this.queries);
    invariant(global.maxLogit.length === batch && global.mass.length === batch, 'global scalars have one value for each query');
    const found = await this.#run(partition, (step, native) =>
      this.addon.sums(step, native, nativeCuts, global.maxLogit, global.mass, negligibleShare, histogram),
    );
    const { queries, sums, skippedShare, histogramRows: rows, histogramMass: mass } = found;
    invariant(!histogram || (rows?.length === batch * HISTOGRAM_BINS && mass?.length === rows.length), 'the engine counts in the bins of limits.ts');
    return {
      queries,
      sums,
      skippedShare: skippedShare.map((share) => Math.ceil(share / SKIPPED_SHARE_QUANTUM) * SKIPPED_SHARE_QUANTUM),
      histogram: rows && mass && { rows, mass },
    };
  }

  async groups(partition: number, cuts: StageCuts): Promise<GroupedPartial> {
    invariant(this.queries.precision !== undefined, 'groups are of a step with a precision');
    const nativeCuts = cutsOf(cuts, this.queries);
    return this.#run(partition, (step, native) => this.addon.groups(step, native, nativeCuts));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const reject of this.#pending) reject(new GolddiffError('CANCELLED', 'The step was closed'));
    this.#pending.clear();
    if (this.#native !== undefined) this.addon.closeStep(this.#native);
    this.onClose();
  }

  async #run<T>(partition: number, operation: (step: NativeStep, native: NativePartition) => Promise<T>): Promise<T> {
    this.#checkOpen();
    const held = this.heldOf(partition);
    let end: (error: GolddiffError) => void = () => {};
    const closed = new Promise<never>((_, reject) => (end = reject));
    this.#pending.add(end);
    const work = async (native: NativePartition): Promise<T> => {
      this.#checkOpen();
      this.#native ??= this.addon.openStep(this.engine, nativeQueries(this.queries, held.shape));
      const candidates = this.#candidates.get(partition);
      if (candidates !== undefined) {
        this.#candidates.delete(partition);
        this.addon.restrict?.(this.#native, native, candidates);
      }
      return operation(this.#native, native);
    };
    try {
      return await Promise.race([held.use(work), closed]);
    } catch (thrown) {
      throw engineError(thrown, `A step of ${this.queries.batch} queries on partition ${partition} of ${this.queries.dataSet}`);
    } finally {
      this.#pending.delete(end);
    }
  }

  #checkOpen(): void {
    if (this.#closed) throw new GolddiffError('CANCELLED', 'The step was closed');
  }
}

function checkQueries({ batch, x, alpha, sigma, temperature, labels, golden }: StepQueries): void {
  const each = [alpha, sigma, ...(labels ? [labels] : []), ...(golden ? [golden.queryIds] : [])];
  invariant(batch >= 1 && x.length % batch === 0 && each.every((array) => array.length === batch), 'every array of a step has B entries, x has B D');
  invariant(alpha.every((a) => a > 0 && a < Infinity) && sigma.every((s) => s > 0 && s < Infinity), 'alpha and sigma are above 0');
  invariant(temperature > 0, 'the temperature is above 0');
}

/** Made at the first call: the proxies' geometry needs the shape of the rows, which the first partition has. */
function nativeQueries(queries: StepQueries, shape: PartitionRows['shape']): Parameters<NativeAddon['openStep']>[1] {
  const { batch, x, alpha, sigma, temperature, labels, golden } = queries;
  const dim = shape[0] * shape[1] * shape[2];
  invariant(x.length === batch * dim, 'queries are as long as the rows of their data set');
  return {
    batch,
    dim,
    x,
    alpha,
    sigma,
    temperature,
    tolerance: queries.massTolerance ?? MASS_TOLERANCE_DEFAULT,
    factor: golden === undefined ? 0 : proxyGeometry(shape, golden.proxyResolution).factor,
    presampleSeed: golden?.presampleSeed ?? 0,
    presampleStep: golden?.presampleStep ?? 0,
    channels: shape[0],
    height: shape[1],
    width: shape[2],
    ...(queries.precision && { grouping: nativeGrouping(queries.precision, batch, shape) }),
    ...(labels && { labels }),
    ...(golden && { queryIds: golden.queryIds }),
  };
}

function nativeGrouping({ groups, of, kinds }: StepPrecision, batch: number, [channels, height, width]: PartitionRows['shape']): NativeGrouping {
  invariant(of.length === batch && of.every((kind) => kind < kinds.length), 'every query of a step with a precision has one of its kinds');
  return {
    groups,
    of,
    kinds: kinds.map((kind) => {
      if (kind.kind === 'window') {
        invariant(kind.side % 2 === 1 && groups === height * width, 'a window has a middle, and a group for each location');
        return { side: kind.side };
      }
      invariant(kind.kind === 'supports', 'patches from all locations go to another backend');
      const { rowValues, groups: own, firstRun, runs } = kind.set;
      invariant(rowValues === channels * height * width && own === groups, 'a support set is of the rows of its data set');
      return { first: firstRun, runs };
    }),
  };
}

function cutsOf(cuts: StageCuts, { batch, golden }: StepQueries): NativeCuts {
  invariant(golden !== undefined || (cuts.presample === undefined && cuts.proxy === undefined), 'a step with candidate stages has golden settings');
  const checked = (cut: Cut | undefined): Cut | undefined => {
    invariant(cut === undefined || (cut.key.length === batch && cut.rowId.length === batch), 'a cut has one entry for each query');
    return cut;
  };
  invariant(cuts.poolShare === undefined || (golden !== undefined && cuts.poolShare.length === batch), 'a share of the pool is given for each query');
  return [checked(cuts.presample), checked(cuts.proxy), checked(cuts.full), cuts.poolShare];
}
