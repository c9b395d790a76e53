/** An open step on the compute threads of a backend: sends requests to the thread of each partition, and rejects what is pending when it is closed. */

import { asGolddiffError, GolddiffError } from '../../../shared/errors.js';
import type { GroupedPartial } from '../../../shared/math/grouped-partial.js';
import type { PosteriorScalars } from '../../../shared/math/partial-posterior.js';
import type {
  BackendStep,
  CandidateLists,
  GlobalScalars,
  PartitionScreen,
  PartitionSums,
  RankRequest,
  ScreenStage,
  StageCuts,
  StepQueries,
} from '../backend.js';
import { partitionKey } from '../resident-partitions.js';
import type { StepOperation, StepResult } from './compute-messages.js';
import type { ComputeThread } from './compute-thread-handle.js';

export class ThreadedStep implements BackendStep {
  readonly #cancelled = new Int32Array(new SharedArrayBuffer(4));
  readonly #threads = new Set<ComputeThread>();
  readonly #pending = new Set<(error: GolddiffError) => void>();
  #closed = false;

  constructor(
    readonly id: number,
    readonly queries: StepQueries,
    readonly threadOf: (partition: number) => ComputeThread,
    readonly onClose: () => void,
  ) {}

  restrict(partition: number, candidates: CandidateLists): void {
    if (this.#closed) return;
    this.#opened(partition).post({ kind: 'restrict', step: this.id, key: partitionKey({ dataSet: this.queries.dataSet, partition }), candidates });
  }

  screen(partition: number, stage: ScreenStage, cuts: StageCuts, ranks: RankRequest): Promise<PartitionScreen> {
    return this.#run<PartitionScreen>(partition, { kind: 'screen', stage, cuts, ranks });
  }

  scalars(partition: number, cuts: StageCuts): Promise<PosteriorScalars> {
    return this.#run<PosteriorScalars>(partition, { kind: 'scalars', cuts });
  }

  sums(partition: number, cuts: StageCuts, global: GlobalScalars, negligibleShare: number, histogram: boolean): Promise<PartitionSums> {
    return this.#run<PartitionSums>(partition, { kind: 'sums', cuts, global, negligibleShare, histogram });
  }

  groups(partition: number, cuts: StageCuts): Promise<GroupedPartial> {
    return this.#run<GroupedPartial>(partition, { kind: 'groups', cuts });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    Atomics.store(this.#cancelled, 0, 1);
    for (const thread of this.#threads) thread.post({ kind: 'close', step: this.id });
    for (const reject of this.#pending) reject(new GolddiffError('CANCELLED', 'The step was closed'));
    this.#pending.clear();
    this.onClose();
  }

  /** The thread of a partition, which knows of this step. */
  #opened(partition: number): ComputeThread {
    const thread = this.threadOf(partition);
    if (!this.#threads.has(thread)) {
      this.#threads.add(thread);
      thread.post({ kind: 'open', step: this.id, queries: this.queries, cancelled: this.#cancelled });
    }
    return thread;
  }

  async #run<T extends StepResult>(partition: number, operation: StepOperation): Promise<T> {
    if (this.#closed) throw new GolddiffError('CANCELLED', 'The step was closed');
    const thread = this.#opened(partition);
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      thread.run(this.id, partitionKey({ dataSet: this.queries.dataSet, partition }), operation).then(
        (result) => {
          this.#pending.delete(reject);
          // The thread answers an operation with its own kind of result.
          resolve(result as T);
        },
        (error: unknown) => {
          this.#pending.delete(reject);
          reject(asGolddiffError(error));
        },
      );
    });
  }
}
