import type { Artifacts } from './control-plane.js';

export class InProcessArtifacts implements Artifacts {
  readonly #byName = new Map<string, { bytes: Uint8Array; endsMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Copies the bytes: the caller may use its buffer again. */
  async put(name: string, bytes: Uint8Array, expiresAfterMs = Infinity): Promise<void> {
    this.#byName.set(name, { bytes: Uint8Array.from(bytes), endsMs: this.#nowMs() + expiresAfterMs });
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    this.sweep();
    const found = this.#byName.get(name);
    return found === undefined ? undefined : Uint8Array.from(found.bytes);
  }

  async delete(name: string): Promise<void> {
    this.#byName.delete(name);
  }

  sweep(): void {
    const now = this.#nowMs();
    for (const [name, { endsMs }] of this.#byName) if (endsMs <= now) this.#byName.delete(name);
  }

  close(): void {
    this.#byName.clear();
  }
}
