/**
 * Tokens for hedges: every request to a worker earns a part of one, every hedge takes a whole one, and a few may be saved up. So hedges stay a small share of the
 * work however slow everything becomes: a cluster that is overloaded is not loaded twice.
 */
export class HedgeBudget {
  #tokens: number;

  /**
   * @param share tokens that a request earns, 0 .. 1; 0 = no hedges at all
   * @param saved tokens at the start, and at most
   */
  constructor(
    private readonly share: number,
    private readonly saved: number,
  ) {
    this.#tokens = share > 0 ? saved : 0;
  }

  get tokens(): number {
    return this.#tokens;
  }

  earn(requests: number): void {
    this.#tokens = Math.min(this.saved, this.#tokens + requests * this.share);
  }

  /** False = nothing was taken. */
  take(): boolean {
    if (this.#tokens < 1 || this.share <= 0) return false;
    this.#tokens -= 1;
    return true;
  }
}
