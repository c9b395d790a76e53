/** One count of the bytes of step state, shared by all compute threads: what does not fit is computed again rather than kept. */

import { invariant } from '../../../shared/errors.js';

const UNIT_BYTES = 4096;

export class StepMemory {
  readonly #used: Int32Array;
  readonly #unitsMax: number;

  /** `shared` is the buffer of another StepMemory, to count together. */
  constructor(
    readonly bytesMax: number,
    readonly shared: SharedArrayBuffer = new SharedArrayBuffer(4),
  ) {
    this.#used = new Int32Array(shared);
    this.#unitsMax = Math.min(2 ** 30, Math.floor(bytesMax / UNIT_BYTES));
  }

  /** Rounded up to whole pages of 4 KiB per taking. */
  get usedBytes(): number {
    return Atomics.load(this.#used, 0) * UNIT_BYTES;
  }

  /** Takes the bytes, or answers false and takes nothing. */
  take(bytes: number): boolean {
    const units = Math.ceil(bytes / UNIT_BYTES);
    for (;;) {
      const used = Atomics.load(this.#used, 0);
      if (used + units > this.#unitsMax) return false;
      if (Atomics.compareExchange(this.#used, 0, used, used + units) === used) return true;
    }
  }

  /** Gives back what one `take` of the same number took. */
  give(bytes: number): void {
    const units = Math.ceil(bytes / UNIT_BYTES);
    const before = Atomics.sub(this.#used, 0, units);
    invariant(before >= units, 'no more step state is given back than was taken');
  }
}
