import type { Leadership } from './control-plane.js';

/** Leads by order of arrival: within one process nobody dies alone. */
export class InProcessLeadership implements Leadership {
  #candidates: { readonly name: string; readonly onChange: (leading: boolean) => void }[] = [];

  campaign(name: string, onChange: (leading: boolean) => void): () => Promise<void> {
    const own = { name, onChange };
    this.#candidates.push(own);
    if (this.#candidates[0] === own) this.#announce();
    return async () => {
      const led = this.#candidates[0] === own;
      this.#candidates = this.#candidates.filter((other) => other !== own);
      if (!led) return;
      onChange(false);
      this.#announce();
    };
  }

  async leader(): Promise<string | undefined> {
    return this.#candidates[0]?.name;
  }

  close(): void {
    this.#candidates = [];
  }

  /** In a microtask, as watchers are told: the caller has what campaign() returns by then. */
  #announce(): void {
    const first = this.#candidates[0];
    queueMicrotask(() => {
      if (first !== undefined && this.#candidates[0] === first) first.onChange(true);
    });
  }
}
