/** What steps see of the cluster: the placement in effect and the live workers, kept up to date from the control plane. */

import type { ControlPlane, PlacementDocument, WorkerStatus } from '../shared/control-plane/control-plane.js';
import type { Manifest } from '../shared/dataset/manifest.js';
import { WORKERS_SETTLE_MS } from '../shared/limits.js';
import { coverageOf, type ClusterView } from './step-assignments.js';
import type { StepCoverage } from './step-answer.js';

export class ClusterState implements ClusterView {
  #document: PlacementDocument | undefined;
  #workers: ReadonlyMap<string, WorkerStatus> = new Map();
  readonly #waiters = new Set<() => void>();
  readonly #stops: (() => void)[] = [];
  #refreshing: Promise<void> | undefined;
  /** live workers that do not answer this coordinator */
  readonly #outOfReach = new Set<string>();

  constructor(
    private readonly controlPlane: ControlPlane,
    readonly manifest: Manifest,
    private readonly onSuspect: (workerId: string) => void,
  ) {}

  async start(): Promise<void> {
    const { membership, placements } = this.controlPlane;
    this.#stops.push(membership.watch((workers) => this.#workersAre(workers)));
    this.#stops.push(placements.watch(this.manifest.name, (document) => this.#documentIs(document)));
    this.#workersAre(await membership.list());
    const document = await placements.get(this.manifest.name);
    if (document !== undefined) this.#documentIs(document);
  }

  stop(): void {
    for (const stop of this.#stops.splice(0)) stop();
  }

  placement(): PlacementDocument | undefined {
    return this.#document;
  }

  get workers(): readonly WorkerStatus[] {
    return [...this.#workers.values()];
  }

  worker(workerId: string): WorkerStatus | undefined {
    return this.#workers.get(workerId);
  }

  addressOf(workerId: string): string | undefined {
    return this.#outOfReach.has(workerId) ? undefined : this.#workers.get(workerId)?.address;
  }

  /** Steps pass over a worker that is out of reach, though it lives. */
  setReach(workerId: string, reached: boolean): void {
    if (reached) this.#outOfReach.delete(workerId);
    else this.#outOfReach.add(workerId);
    this.#tell();
  }

  /** Live workers that hold a partition in the placement in effect. */
  replicasOf(partition: number): string[] {
    const placed = this.#document?.partitions.find((p) => p.partition === partition);
    return placed?.replicas.filter((id) => this.#workers.has(id)) ?? [];
  }

  coverage(): StepCoverage {
    const placed = new Map(this.#document?.partitions.map((p) => [p.partition, p.replicas]));
    const missing = this.manifest.partitions.filter((p) => !placed.get(p.id)?.some((id) => this.#workers.has(id))).map((p) => p.id);
    return coverageOf(this.manifest, missing);
  }

  changed(withinMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.#waiters.add(done);
      signal.addEventListener('abort', done);
    });
  }

  /** Resolves when live workers hold the whole data set, as another coordinator has placed it. Where they do not, after the time that workers get to settle. */
  async settled(): Promise<void> {
    const never = new AbortController().signal;
    while (this.#document === undefined) await this.changed(WORKERS_SETTLE_MS, never);
    const endMs = performance.now() + WORKERS_SETTLE_MS;
    for (let leftMs = WORKERS_SETTLE_MS; leftMs > 0 && this.coverage().fraction < 1; leftMs = endMs - performance.now())
      await this.changed(leftMs, never);
  }

  suspect(workerId: string): void {
    this.onSuspect(workerId);
  }

  refresh(): Promise<void> {
    return (this.#refreshing ??= this.controlPlane.placements
      .get(this.manifest.name)
      .then(
        (document) => document && this.#documentIs(document),
        // The watch goes on, and so do the steps with what is known.
        () => undefined,
      )
      .finally(() => (this.#refreshing = undefined)));
  }

  #workersAre(workers: readonly WorkerStatus[]): void {
    this.#workers = new Map(workers.map((worker) => [worker.workerId, worker]));
    this.#tell();
  }

  #documentIs(document: PlacementDocument): void {
    if (document.epoch < (this.#document?.epoch ?? 0)) return;
    this.#document = document;
    this.#tell();
  }

  #tell(): void {
    for (const waiter of [...this.#waiters]) waiter();
  }
}
