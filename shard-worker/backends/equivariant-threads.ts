/**
 * Makes a backend whole that has no kernels for patches from all locations, and maybe none for some of a partition's rows: such steps, with their screens, go to the
 * reference backend's TypeScript compute threads, over the same rows in shared memory; everything else goes to the backend itself. They are so much work
 * (docs/DENOISERS.md) that the threads are started when first needed.
 *
 * The screens go along because a row at a cut is inside or outside by the last bit of its distance: the one who sums must be the one who ranked.
 */

import type { Logger } from '../../shared/log.js';
import type { MomentSums } from '../../shared/math/moment-sums.js';
import type { Backend, BackendStep, PartitionRef, PartitionRows, StepQueries } from './backend.js';
import { ReferenceBackend } from './reference/reference-backend.js';
import { partitionKey } from './resident-partitions.js';

export class EquivariantThreads implements Backend {
  readonly #held = new Map<string, PartitionRows>();
  #companion: ReferenceBackend | undefined;
  /** what the log has told of */
  readonly #told = new Set<string>();

  constructor(
    readonly inner: Backend,
    /** of what the backend has no kernels for; its own may be one, that of a device's queue */
    readonly computeThreads: number,
    private readonly log: Logger,
  ) {}

  get name(): Backend['name'] {
    return this.inner.name;
  }

  get takesCandidates(): boolean {
    return this.inner.takesCandidates;
  }

  /** Rows are shared; the threads' own proxies are not. */
  get residentBytes(): number {
    return this.inner.residentBytes + (this.#companion?.proxyBytes ?? 0);
  }

  async load(partition: PartitionRows): Promise<void> {
    await this.inner.load(partition);
    this.#held.set(partitionKey(partition), partition);
    await this.#companion?.load(partition);
  }

  async unload(ref: PartitionRef): Promise<void> {
    this.#held.delete(partitionKey(ref));
    await this.#companion?.unload(ref);
    await this.inner.unload(ref);
  }

  openStep(queries: StepQueries): BackendStep {
    const everywhere = queries.precision?.kinds.some(({ kind }) => kind === 'equivariant') ?? false;
    if (everywhere) return this.#threads('patches from all locations').openStep(queries);
    if (queries.restricted === true && !this.takesCandidates) return this.#threads('some rows of a partition').openStep(queries);
    return this.inner.openStep(queries);
  }

  moments(ref: PartitionRef, label: number): Promise<MomentSums> {
    return this.inner.moments(ref, label);
  }

  async close(): Promise<void> {
    await Promise.all([this.inner.close(), this.#companion?.close()]);
  }

  #threads(what: string): ReferenceBackend {
    if (!this.#told.has(what)) {
      this.#told.add(what);
      this.log.warn(
        { backend: this.name, computeThreads: this.computeThreads },
        `this backend has no kernels for ${what}: TypeScript threads do them`,
      );
    }
    if (this.#companion) return this.#companion;
    this.#companion = new ReferenceBackend({ computeThreads: this.computeThreads, deviceMemoryBytes: Infinity });
    for (const partition of this.#held.values()) void this.#companion.load(partition);
    return this.#companion;
  }
}
