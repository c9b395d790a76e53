import { isDeepStrictEqual } from 'node:util';
import type { Membership, WorkerStatus } from './control-plane.js';
import { Watchers } from './watchers.js';

const ALL = '';

export class InProcessMembership implements Membership {
  readonly #drained = new Set<string>();
  readonly #workers = new Map<string, { status: WorkerStatus; endsMs: number }>();
  readonly #watchers = new Watchers<readonly WorkerStatus[]>();
  readonly #leaseMs: number;
  readonly #nowMs: () => number;

  constructor(leaseMs: number, nowMs: () => number) {
    this.#leaseMs = leaseMs;
    this.#nowMs = nowMs;
  }

  async heartbeat(status: WorkerStatus): Promise<void> {
    const before = this.#workers.get(status.workerId)?.status;
    this.#workers.set(status.workerId, { status, endsMs: this.#nowMs() + this.#leaseMs });
    // Most heartbeats say nothing new, and watchers plan placements.
    const dropped = this.#dropExpired();
    if (dropped || !isDeepStrictEqual(before, status)) this.#tell();
  }

  async remove(workerId: string): Promise<void> {
    if (this.#workers.delete(workerId)) this.#tell();
  }

  async drain(workerId: string, on: boolean): Promise<void> {
    if (on === this.#drained.has(workerId)) return;
    if (on) this.#drained.add(workerId);
    else this.#drained.delete(workerId);
    this.#tell();
  }

  async list(): Promise<readonly WorkerStatus[]> {
    this.sweep();
    return this.#live();
  }

  watch(onChange: (workers: readonly WorkerStatus[]) => void): () => void {
    return this.#watchers.add(ALL, onChange);
  }

  sweep(): void {
    if (this.#dropExpired()) this.#tell();
  }

  close(): void {
    this.#watchers.clear();
    this.#workers.clear();
  }

  #dropExpired(): boolean {
    const now = this.#nowMs();
    let dropped = false;
    for (const [id, { endsMs }] of this.#workers) if (endsMs <= now) dropped = this.#workers.delete(id) || dropped;
    return dropped;
  }

  #live(): readonly WorkerStatus[] {
    return [...this.#workers.values()]
      .map(({ status }) => (this.#drained.has(status.workerId) ? { ...status, draining: true } : status))
      .sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
  }

  #tell(): void {
    this.#watchers.tell(ALL, this.#live());
  }
}
