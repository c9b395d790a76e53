/**
 * Linear algebra on the data set's covariance, on a thread of its own that is started when first needed. Here a faster solver would go: the two calls are
 * all that the rest of the coordinator knows.
 */

import { Worker } from 'node:worker_threads';
import { GolddiffError } from '../../shared/errors.js';
import type { Covariance } from '../../shared/math/moment-sums.js';
import type { AlgebraWork, FromAlgebra, ToAlgebra } from './algebra-messages.js';
import type { GaussianAnswer } from './gaussian-mean.js';

interface Task {
  resolve(result: NonNullable<FromAlgebra['result']>): void;
  reject(error: GolddiffError): void;
}

export class Algebra {
  readonly #tasks = new Map<number, Task>();
  #worker: Worker | undefined;
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
    await this.#worker?.terminate();
  }

  #run(work: AlgebraWork): Promise<NonNullable<FromAlgebra['result']>> {
    if (this.#closed) return Promise.reject(closed());
    const worker = (this.#worker ??= this.#start());
    const task = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#tasks.set(task, { resolve, reject });
      worker.postMessage({ task, work } satisfies ToAlgebra);
    });
  }

  #start(): Worker {
    const worker = new Worker(new URL('./algebra-thread.js', import.meta.url));
    worker.on('message', ({ task, result, failure }: FromAlgebra) => {
      const waiting = this.#tasks.get(task);
      this.#tasks.delete(task);
      if (result !== undefined) waiting?.resolve(result);
      else waiting?.reject(new GolddiffError('INTERNAL', `The algebra thread failed: ${failure ?? 'it does not say why'}`));
    });
    const end = (error: GolddiffError): void => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const waiting of this.#tasks.values()) waiting.reject(error);
      this.#tasks.clear();
    };
    worker.on('error', (cause) => end(new GolddiffError('INTERNAL', `The algebra thread ended: ${cause.message}`, {}, { cause })));
    worker.on('exit', () => end(closed()));
    return worker;
  }
}

function closed(): GolddiffError {
  return new GolddiffError('CANCELLED', 'The coordinator is shutting down');
}
