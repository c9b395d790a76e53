/**
 * Makes a backend whole that has no kernels for patches from all locations: steps of such a precision, with their screens, go to the reference backend's
 * TypeScript compute threads, over the same rows in shared memory; everything else goes to the backend itself. They are so much work (docs/DENOISERS.md)
 * that the threads are started when first needed.
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

  constructor(
    readonly inner: Backend,
    private readonly log: Logger,
  ) {}

  get name(): Backend['name'] {
    return this.inner.name;
  }

  get computeThreads(): number {
    return this.inner.computeThreads;
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
    return (everywhere ? this.#threads() : this.inner).openStep(queries);
  }

  moments(ref: PartitionRef, label: number): Promise<MomentSums> {
    return this.inner.moments(ref, label);
  }

  async close(): Promise<void> {
    await Promise.all([this.inner.close(), this.#companion?.close()]);
  }

  #threads(): ReferenceBackend {
    if (this.#companion) return this.#companion;
    const facts = { backend: this.name, computeThreads: this.computeThreads };
    this.log.warn(facts, 'this backend has no kernels for patches from all locations: TypeScript threads do them');
    this.#companion = new ReferenceBackend({ computeThreads: this.computeThreads, deviceMemoryBytes: Infinity });
    for (const partition of this.#held.values()) void this.#companion.load(partition);
    return this.#companion;
  }
}
