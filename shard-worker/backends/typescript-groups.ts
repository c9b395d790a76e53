/**
 * Makes a backend whole that has kernels for one weight a row but none for groups of weights (pca, patch): steps with a precision, with their screens, go
 * to the reference backend's TypeScript compute threads, over the same rows in shared memory. Much slower than a kernel, and said so in the log when it
 * first happens. A backend that learns groups stops being wrapped in create-backend.ts; nothing else knows of this file.
 *
 * The screens go along because a row at a cut is inside or outside by the last bit of its distance: the one who sums must be the one who ranked.
 */

import { invariant } from '../../shared/errors.js';
import type { Logger } from '../../shared/log.js';
import type { MomentSums } from '../../shared/math/moment-sums.js';
import type { Backend, BackendStep, PartitionRef, PartitionRows, StepQueries } from './backend.js';
import { ReferenceBackend } from './reference/reference-backend.js';
import { notHeld, partitionKey } from './resident-partitions.js';

export interface RowBackend extends Omit<Backend, 'openStep' | 'moments'> {
  openStep(queries: StepQueries): Omit<BackendStep, 'groups'>;
  /** Undefined where it has no way of its own for these rows. */
  moments?(ref: PartitionRef, label: number): Promise<MomentSums> | undefined;
}

export class TypeScriptGroups implements Backend {
  readonly #held = new Map<string, PartitionRows>();
  #companion: ReferenceBackend | undefined;

  constructor(
    readonly rowBackend: RowBackend,
    private readonly log: Logger,
  ) {}

  get name(): Backend['name'] {
    return this.rowBackend.name;
  }

  get computeThreads(): number {
    return this.rowBackend.computeThreads;
  }

  /** Rows are shared; the threads' own proxies are not. */
  get residentBytes(): number {
    return this.rowBackend.residentBytes + (this.#companion?.proxyBytes ?? 0);
  }

  async load(partition: PartitionRows): Promise<void> {
    await this.rowBackend.load(partition);
    this.#held.set(partitionKey(partition), partition);
    await this.#companion?.load(partition);
  }

  async unload(ref: PartitionRef): Promise<void> {
    this.#held.delete(partitionKey(ref));
    await this.#companion?.unload(ref);
    await this.rowBackend.unload(ref);
  }

  openStep(queries: StepQueries): BackendStep {
    if (queries.precision !== undefined) return this.#threads('groups of weights').openStep(queries);
    return Object.assign(this.rowBackend.openStep(queries), {
      groups: () => {
        invariant(false, 'groups are of a step with a precision');
      },
    });
  }

  async moments(ref: PartitionRef, label: number): Promise<MomentSums> {
    if (!this.#held.has(partitionKey(ref))) throw notHeld(ref);
    return this.rowBackend.moments?.(ref, label) ?? this.#threads('sums of products').moments(ref, label);
  }

  async close(): Promise<void> {
    await Promise.all([this.rowBackend.close(), this.#companion?.close()]);
  }

  /** Started when first needed: most workers never do. */
  #threads(what: string): ReferenceBackend {
    if (this.#companion) return this.#companion;
    this.log.warn({ backend: this.name, computeThreads: this.computeThreads }, `this backend has no kernels for ${what}: TypeScript threads do them`);
    this.#companion = new ReferenceBackend({ computeThreads: this.computeThreads, deviceMemoryBytes: Infinity });
    for (const partition of this.#held.values()) void this.#companion.load(partition);
    return this.#companion;
  }
}
