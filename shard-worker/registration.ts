/**
 * A worker's own side of membership: heartbeats, at a steady pace and at once when something changed, and the way out. A worker that leaves says that it drains, stays
 * until the placement in effect no longer names it, so that no step loses it, and only then goes.
 */

import type { ControlPlane, WorkerStatus } from '../shared/control-plane/control-plane.js';
import { asGolddiffError } from '../shared/errors.js';
import { LEADER_LEASE_MS, PROBE_AGAIN_MS, PROBE_INTERVAL_MS } from '../shared/limits.js';
import type { Logger } from '../shared/log.js';

export interface RegistrationSettings {
  readonly controlPlane: Pick<ControlPlane, 'membership' | 'placements' | 'leadership'>;
  /** as the worker is now */
  readonly status: () => WorkerStatus;
  readonly dataSets: readonly string[];
  readonly log: Logger;
  readonly intervalMs?: number;
  /** nobody leads for so long: nobody will; default two leases, in which the next one is found where a leader goes at the same time */
  readonly leaderlessMs?: number;
}

export class Registration {
  #draining = false;
  #drained: Promise<boolean> | undefined;
  #ended = false;
  #timer: NodeJS.Timeout | undefined;
  #sending: Promise<void> | undefined;
  #again = false;
  #away = false;

  constructor(private readonly settings: RegistrationSettings) {}

  /** Resolves when the cluster knows of this worker. @throws CONTROL_PLANE_LOST */
  async start(): Promise<void> {
    await this.settings.controlPlane.membership.heartbeat(this.settings.status());
    this.#timer = setInterval(() => void this.changed(), this.settings.intervalMs ?? PROBE_INTERVAL_MS);
  }

  /** Sends a heartbeat now, or after the one under way. */
  changed(): Promise<void> {
    if (this.#ended) return Promise.resolve();
    this.#again = true;
    return (this.#sending ??= this.#send().finally(() => (this.#sending = undefined)));
  }

  /**
   * Says that this worker drains, and waits until no placement names it. Does not wait for what cannot happen: nobody plans, or nobody else could take over.
   * Asked again, it tells what it found: what the way out gave up on once would be waited for in vain again.
   * @returns true where nothing is placed here any more
   */
  drain(withinMs: number): Promise<boolean> {
    return (this.#drained ??= this.#drain(withinMs));
  }

  async #drain(withinMs: number): Promise<boolean> {
    this.#draining = true;
    await this.changed();
    const startMs = performance.now();
    const leaderlessMs = this.settings.leaderlessMs ?? 2 * LEADER_LEASE_MS;
    let ledMs = startMs;
    while (performance.now() - startMs < withinMs) {
      const state = await this.#placed().catch(() => 'unknown' as const);
      if (state === 'none') return true;
      if (state === 'for good') return false;
      if (state !== 'leaderless') ledMs = performance.now();
      else if (performance.now() - ledMs > leaderlessMs) return false;
      await new Promise((resolve) => setTimeout(resolve, PROBE_AGAIN_MS));
    }
    return false;
  }

  /** No more heartbeats; the lease ends now. */
  async leave(): Promise<void> {
    this.#ended = true;
    clearInterval(this.#timer);
    await this.#sending;
    await this.settings.controlPlane.membership.remove(this.settings.status().workerId).catch((thrown: unknown) => {
      this.settings.log.warn({ code: asGolddiffError(thrown).code }, 'the cluster was not told that this worker leaves: its lease will end');
    });
  }

  async #send(): Promise<void> {
    const { controlPlane, status, log } = this.settings;
    while (this.#again && !this.#ended) {
      this.#again = false;
      try {
        const now = status();
        await controlPlane.membership.heartbeat(this.#draining ? { ...now, draining: true } : now);
        if (this.#away) log.info('heartbeats arrive again');
        this.#away = false;
      } catch (thrown) {
        const { code, message } = asGolddiffError(thrown);
        if (!this.#away) log.warn({ code }, `a heartbeat did not arrive: ${message}`);
        this.#away = true;
        return;
      }
    }
  }

  async #placed(): Promise<'none' | 'some' | 'leaderless' | 'for good'> {
    const { controlPlane, status, dataSets } = this.settings;
    const { workerId } = status();
    const documents = await Promise.all(dataSets.map((name) => controlPlane.placements.get(name)));
    if (!documents.some((d) => d?.partitions.some((p) => p.replicas.includes(workerId)))) return 'none';
    const others = (await controlPlane.membership.list()).filter((w) => w.workerId !== workerId && !w.draining);
    if (others.length === 0) return 'for good';
    return (await controlPlane.leadership.leader()) === undefined ? 'leaderless' : 'some';
  }
}
