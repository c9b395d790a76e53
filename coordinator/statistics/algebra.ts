/**
 * Linear algebra on the data set's covariance, on a thread of its own that is started when first needed. Here a faster solver would go: the two calls are
 * all that the rest of the coordinator knows.
 */

import { Worker } from 'node:worker_threads';
import { GolddiffError } from '../../shared/errors.js';
import type { Covariance } from '../../shared/math/moment-sums.js';
import type { AlgebraThreadData, AlgebraWork, FromAlgebra, ToAlgebra } from './algebra-messages.js';
import type { GaussianAnswer } from './gaussian-mean.js';
import { NativeSection } from './native-section.js';

interface Task {
  resolve(result: NonNullable<FromAlgebra['result']>): void;
  reject(error: GolddiffError): void;
}

interface Thread {
  readonly worker: Worker;
  readonly section: NativeSection;
  readonly ended: Promise<void>;
}

export class Algebra {
  readonly #tasks = new Map<number, Task>();
  #thread: Thread | undefined;
  #last = 0;
  #closed = false;

  /** The encoded support set of the mask (locality-mask.ts). */
  async locality(covariance: Covariance, ratio: number, threshold: number): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#run({ kind: 'locality', covariance, ratio, threshold })) as Uint8Array<ArrayBuffer>;
  }

  /** @param key names the covariance, so that its factors are found again; x [B, D] and alpha [B] of queries of one ratio */
  async gaussian(key: string, covariance: Covariance, ratio: number, x: Float64Array, alpha: Float64Array): Promise<GaussianAnswer> {
    return (await this.#run({ kind: 'gaussian', key, covariance, ratio, x, alpha })) as GaussianAnswer;
  }

  async close(): Promise<void> {
    this.#closed = true;
    // At once: what the thread would still finish nobody waits for any more.
    for (const waiting of this.#tasks.values()) waiting.reject(closed());
    this.#tasks.clear();
    if (this.#thread === undefined) return;
    const { worker, section, ended } = this.#thread;
    if (!section.endsByItself()) void worker.terminate();
    await ended;
  }

  #run(work: AlgebraWork): Promise<NonNullable<FromAlgebra['result']>> {
    if (this.#closed) return Promise.reject(closed());
    const { worker } = (this.#thread ??= this.#start());
    const task = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#tasks.set(task, { resolve, reject });
      worker.postMessage({ task, work } satisfies ToAlgebra);
    });
  }

  #start(): Thread {
    const section = new NativeSection();
    const worker = new Worker(new URL('./algebra-thread.js', import.meta.url), {
      workerData: { section: section.shared } satisfies AlgebraThreadData,
    });
    worker.on('message', ({ task, result, failure }: FromAlgebra) => {
      const waiting = this.#tasks.get(task);
      this.#tasks.delete(task);
      if (result !== undefined) waiting?.resolve(result);
      else waiting?.reject(new GolddiffError('INTERNAL', `The algebra thread failed: ${failure ?? 'it does not say why'}`));
    });
    const end = (error: GolddiffError): void => {
      if (this.#thread?.worker === worker) this.#thread = undefined;
      for (const waiting of this.#tasks.values()) waiting.reject(error);
      this.#tasks.clear();
    };
    worker.on('error', (cause) => end(new GolddiffError('INTERNAL', `The algebra thread ended: ${cause.message}`, {}, { cause })));
    const ended = new Promise<void>((resolve) => {
      worker.on('exit', () => {
        end(closed());
        resolve();
      });
    });
    return { worker, section, ended };
  }
}

function closed(): GolddiffError {
  return new GolddiffError('CANCELLED', 'The coordinator is shutting down');
}
