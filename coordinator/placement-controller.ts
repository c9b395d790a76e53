/**
 * Keeps a placement in effect as workers come and go. A new placement is computed, loaded by every worker that it needs (Assign), and only then written,
 * with compare-and-set; until that moment steps run on the one before, which workers keep valid until the next Assign.
 *
 * A partition that a worker cannot load (a wrong checksum, no room) is left out of its replicas and tried on another; where all refuse, it is missing and
 * coverage says so. A worker that starts anew is asked again, and every one after a while for what it could not fetch from elsewhere.
 */

import type { HeldPartition__Output } from '../proto/generated/golddiff/v1/HeldPartition.js';
import type { ControlPlane, PlacementDocument, WorkerStatus } from '../shared/control-plane/control-plane.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { asGolddiffError, type ErrorCode } from '../shared/errors.js';
import { ASSIGN_TIMEOUT_MS, PLACEMENT_FETCH_AGAIN_MS, PROBE_INTERVAL_MS, WORKERS_SETTLE_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';
import { computePlacement, type PlacedPartition } from './placement.js';
import type { WorkerLinks } from './worker-links.js';

export interface PlacementControllerSettings {
  readonly manifest: Manifest;
  readonly controlPlane: ControlPlane;
  readonly links: WorkerLinks;
  /** wanted for each partition */
  readonly replicas: number;
  /** workers to wait for before the first placement, so that it need not be made again at once */
  readonly expectedWorkers: number;
  readonly log: Logger;
  readonly settleMs?: number;
  /** until workers are asked again for what they could not fetch */
  readonly fetchAgainMs?: number;
}

/** Errors of Assign that the same worker will give again. */
type Refusal = 'room' | 'away' | 'other';

const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DATA_SET_MISMATCH',
  'DATA_SET_UNKNOWN',
  'FILE_INVALID',
  'LIMIT_EXCEEDED',
  'NOT_FOUND',
  'ARGUMENT_INVALID',
]);

export class PlacementController {
  /** Resolves when the first placement is in effect and nothing is left to try. */
  readonly settled: Promise<void>;
  #onSettled: () => void = () => {};
  /** "instance partition" of loads that failed; for want of room, only until somebody comes or goes; for a source that was away, for a while */
  readonly #refused = new Map<string, Refusal>();
  /** instance of each worker at its last Assign */
  readonly #assigned = new Map<string, string>();
  #known = '';
  #placedOnce = false;
  #running = false;
  #again = false;
  #stopped = false;
  #startedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #fetchTimer: NodeJS.Timeout | undefined;
  #unwatch: () => void = () => {};

  constructor(private readonly settings: PlacementControllerSettings) {
    this.settled = new Promise((resolve) => (this.#onSettled = resolve));
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#unwatch = this.settings.controlPlane.membership.watch((workers) => {
      // Most changes are of open steps and memory; only who is there matters here.
      const known = workers.map((w) => `${w.workerId} ${w.instanceId} ${w.address} ${w.draining} ${w.deviceMemoryBytes}`).join('\n');
      if (known === this.#known) return;
      this.#known = known;
      for (const [key, why] of this.#refused) if (why === 'room') this.#refused.delete(key);
      this.settings.links.keepOnly(new Set(workers.map((w) => w.workerId)));
      this.#wake();
    });
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#fetchTimer);
    this.#unwatch();
  }

  #wake(): void {
    this.#again = true;
    if (this.#running || this.#stopped) return;
    this.#running = true;
    void this.#run().finally(() => (this.#running = false));
  }

  #wakeLater(ms: number): void {
    clearTimeout(this.#timer);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#wake(), ms);
  }

  #fetchLater(): void {
    if (this.#stopped || this.#fetchTimer !== undefined) return;
    this.#fetchTimer = setTimeout(() => {
      this.#fetchTimer = undefined;
      for (const [key, why] of this.#refused) if (why === 'away') this.#refused.delete(key);
      this.#wake();
    }, this.settings.fetchAgainMs ?? PLACEMENT_FETCH_AGAIN_MS);
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#reconcile();
      } catch (thrown) {
        if (this.#stopped) return;
        this.settings.log.error({ err: thrown }, 'placement failed, will be tried again');
        this.#wakeLater(PROBE_INTERVAL_MS);
      }
    }
  }

  async #reconcile(): Promise<void> {
    const { manifest, controlPlane, replicas, log } = this.settings;
    const members = await controlPlane.membership.list();
    const workers = members.filter((w) => !w.draining);
    const current = await controlPlane.placements.get(manifest.name);
    const cold = !this.#placedOnce && !workers.some((w) => holdsAny(w, current));
    if (workers.length === 0 || (cold && this.#isEarly(workers.length))) {
      this.#wakeLater(PROBE_INTERVAL_MS);
      return;
    }
    const instances = new Map(workers.map((w) => [w.workerId, w.instanceId]));
    const ids = manifest.partitions.map((p) => p.id);
    const bytes = new Map(manifest.partitions.map((p) => [p.id, p.bytes]));
    const target = computePlacement({
      partitions: ids,
      workers: [...instances.keys()],
      replicas,
      ...(current === undefined ? {} : { previous: current.partitions }),
      refused: (partition, id) => this.#refused.has(`${instances.get(id)} ${partition}`),
      bytes: (partition) => bytes.get(partition)!,
      // Reference backends of tests say 0: not limited.
      budgetBytes: (id) => workers.find((w) => w.workerId === id)!.deviceMemoryBytes || Infinity,
    });
    // One that was asked by this controller, or says itself that it holds all that it should, as after a change of the leader.
    const restarted = workers.some((w) => this.#assigned.get(w.workerId) !== w.instanceId && !holdsAll(w, current, partitionsOf(target, w.workerId)));
    if (current !== undefined && !restarted && samePlacement(current.partitions, target)) {
      this.#onSettled();
      return;
    }
    const epoch = 1 + Math.max(current?.epoch ?? 0, ...members.flatMap((w) => w.held.filter((h) => h.dataSet === manifest.name).map((h) => h.epoch)));
    const loaded = new Map<string, ReadonlySet<number>>();
    const inEffectEpoch = current?.epoch ?? 0;
    await Promise.all(
      workers.map(async (w) => loaded.set(w.workerId, await this.#assign(w, { epoch, inEffectEpoch, partitions: partitionsOf(target, w.workerId) }))),
    );
    if (this.#stopped) return;
    const partitions = target.map((p) => ({ partition: p.partition, replicas: p.replicas.filter((id) => loaded.get(id)?.has(p.partition)) }));
    const document: PlacementDocument = { dataSet: manifest.name, contentHash: manifest.contentHash, epoch, partitions };
    const won = await controlPlane.placements.compareAndSet(document, current?.epoch ?? 0);
    this.#placedOnce ||= won;
    const missing = partitions.filter((p) => p.replicas.length === 0).map((p) => p.partition);
    if (won) log.info({ epoch, workers: workers.length, partitions: partitions.length - missing.length, missing }, 'placement in effect');
    if (missing.length > 0) log.error({ epoch, missing }, 'some partitions could not be loaded and are not served');
    // Once more: for the refused on another worker, for a race lost, or to find that all is well.
    this.#again = true;
  }

  #isEarly(workers: number): boolean {
    return workers < this.settings.expectedWorkers && performance.now() - this.#startedMs < (this.settings.settleMs ?? WORKERS_SETTLE_MS);
  }

  /** Partitions that the worker holds now, of those that it should. */
  async #assign(worker: WorkerStatus, wanted: { epoch: number; inEffectEpoch: number; partitions: number[] }): Promise<ReadonlySet<number>> {
    const { manifest, links, log } = this.settings;
    const { epoch, partitions } = wanted;
    const request = { dataSet: manifest.name, contentHash: manifest.contentHash, ...wanted };
    const refuse = (partition: number, why: string): void => {
      const reason = why.startsWith('LIMIT_EXCEEDED') ? 'room' : why.startsWith('DATA_UNAVAILABLE') ? 'away' : 'other';
      this.#refused.set(`${worker.instanceId} ${partition}`, reason);
      if (reason === 'away') this.#fetchLater();
      log.error({ workerId: worker.workerId, partition }, `a partition was not loaded: ${why}`);
    };
    try {
      const { held } = await links.get(worker.workerId, worker.address).assign(request, ASSIGN_TIMEOUT_MS);
      this.#assigned.set(worker.workerId, worker.instanceId);
      const failed = (h: HeldPartition__Output): boolean => h.failure !== '';
      held.filter(failed).forEach((h) => refuse(h.partition, h.failure));
      return new Set(held.filter((h) => !failed(h)).map((h) => h.partition));
    } catch (thrown) {
      const error = asGolddiffError(thrown);
      log.warn({ workerId: worker.workerId, epoch, code: error.code }, `Assign failed: ${error.message}`);
      if (REFUSALS.has(error.code)) partitions.forEach((p) => refuse(p, `${error.code}: ${error.message}`));
      else await new Promise((resolve) => setTimeout(resolve, PROBE_INTERVAL_MS));
      return new Set();
    }
  }
}

function heldOf(worker: WorkerStatus, document: PlacementDocument | undefined): number[] {
  const here = worker.held.filter((h) => h.dataSet === document?.dataSet && h.epoch === document.epoch && h.failure === undefined);
  return here.map((h) => h.partition);
}

function holdsAny(worker: WorkerStatus, document: PlacementDocument | undefined): boolean {
  return heldOf(worker, document).length > 0;
}

function holdsAll(worker: WorkerStatus, document: PlacementDocument | undefined, partitions: readonly number[]): boolean {
  const held = new Set(heldOf(worker, document));
  return partitions.every((p) => held.has(p));
}

function partitionsOf(placement: readonly PlacedPartition[], workerId: string): number[] {
  return placement.filter((p) => p.replicas.includes(workerId)).map((p) => p.partition);
}

function samePlacement(a: readonly PlacedPartition[], b: readonly PlacedPartition[]): boolean {
  const text = (placement: readonly PlacedPartition[]): string => placement.map((p) => `${p.partition}:${p.replicas.join()}`).join(' ');
  return text(a) === text(b);
}
