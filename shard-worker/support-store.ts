/** The support sets that steps name by hash: kept up to a number of bytes, those that were not used for longest let go first. */

import { argumentError } from '../shared/errors.js';
import { SUPPORT_SETS_BYTES_MAX } from '../shared/limits.js';
import { decodeSupportSet, supportSetBytes, supportSetHash, type SupportSet } from '../shared/math/support-set.js';

export class SupportStore {
  /** oldest use first */
  readonly #sets = new Map<string, SupportSet>();
  #bytes = 0;

  constructor(readonly bytesMax: number = SUPPORT_SETS_BYTES_MAX) {}

  get heldBytes(): number {
    return this.#bytes;
  }

  /** @throws ARGUMENT_INVALID for data of another hash, that is no support set, or that is larger than all there is room for */
  hold(sha256: string, data: Uint8Array): void {
    if (this.get(sha256) !== undefined) return;
    if (data.length > this.bytesMax) throw argumentError('supports.data', `at most ${this.bytesMax} bytes`, `${data.length} bytes`);
    const own = supportSetHash(data);
    if (own !== sha256) throw argumentError('supports.sha256', `the hash of the data (${own})`, sha256);
    const set = decodeSupportSet(data);
    this.#sets.set(sha256, set);
    this.#bytes += supportSetBytes(set);
    for (const [hash, oldest] of this.#sets) {
      if (this.#bytes <= this.bytesMax) break;
      this.#sets.delete(hash);
      this.#bytes -= supportSetBytes(oldest);
    }
  }

  /** Undefined = not held, or not any more. A step that has it keeps it whatever becomes of it here. */
  get(sha256: string): SupportSet | undefined {
    const set = this.#sets.get(sha256);
    if (set === undefined) return undefined;
    this.#sets.delete(sha256);
    this.#sets.set(sha256, set);
    return set;
  }
}
