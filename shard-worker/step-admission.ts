/** How many steps a worker has open at once, over all streams, and how many bytes their queries and partials may take. */

import { GolddiffError } from '../shared/errors.js';
import { QUEUE_RETRY_AFTER_MS } from '../shared/limits.js';

export class StepAdmission {
  #open = 0;
  #bytes = 0;

  constructor(
    readonly stepsMax: number,
    readonly queryBytesMax: number,
  ) {}

  get openSteps(): number {
    return this.#open;
  }
  /** of queries and partials */
  get openBytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a place; the returned function gives it back, once.
   * @throws QUEUE_FULL with a time to come again, or LIMIT_EXCEEDED for queries that never fit
   */
  enter(queryBytes: number): () => void {
    if (queryBytes > this.queryBytesMax) {
      throw new GolddiffError(
        'LIMIT_EXCEEDED',
        `The queries and partials of the step take ${queryBytes} bytes but a worker offers ${this.queryBytesMax}`,
      );
    }
    if (this.#open >= this.stepsMax || this.#bytes + queryBytes > this.queryBytesMax) {
      throw new GolddiffError('QUEUE_FULL', `The worker has ${this.#open} open steps and takes no more for now`, {
        retryAfterMs: QUEUE_RETRY_AFTER_MS,
      });
    }
    this.#open++;
    this.#bytes += queryBytes;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#open--;
      this.#bytes -= queryBytes;
    };
  }
}
