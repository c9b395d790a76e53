/** A backend without compute: every partition has one row of weight 1 for every query. What a step then takes is the data plane alone. */

import type { Backend, BackendStep, PartitionSums, StepQueries } from '../../shard-worker/backends/backend.js';
import type { PosteriorScalars } from '../../shared/math/partial-posterior.js';

export class InstantBackend implements Backend {
  readonly name = 'reference';
  readonly computeThreads = 1;
  readonly takesCandidates = false;
  readonly residentBytes = 0;
  readonly #sums = new Map<string, PartitionSums>();

  load(): Promise<void> {
    return Promise.resolve();
  }

  unload(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  moments(): Promise<never> {
    return Promise.reject(new Error('Invariant broken: the benchmark asks for no moments'));
  }

  openStep({ batch, x }: StepQueries): BackendStep {
    const scalars: PosteriorScalars = {
      maxLogit: new Float64Array(batch),
      mass: new Float64Array(batch).fill(1),
      massSq: new Float64Array(batch).fill(1),
      rows: new Float64Array(batch).fill(1),
    };
    const sums = this.#sumsOf(batch, x.length / batch);
    return {
      screen: () => Promise.reject(new Error('Invariant broken: the benchmark asks for no screens')),
      scalars: () => Promise.resolve(scalars),
      sums: () => Promise.resolve(sums),
      groups: () => Promise.reject(new Error('Invariant broken: the benchmark asks for no groups')),
      close: () => {},
    };
  }

  /** Made once for each shape: filling megabytes would be compute. */
  #sumsOf(batch: number, dim: number): PartitionSums {
    const key = `${batch}x${dim}`;
    const known = this.#sums.get(key);
    if (known !== undefined) return known;
    const made: PartitionSums = {
      queries: Uint32Array.from({ length: batch }, (_, b) => b),
      sums: new Float32Array(batch * dim).fill(0.5),
      skippedShare: new Float64Array(batch),
      histogram: undefined,
    };
    this.#sums.set(key, made);
    return made;
  }
}
