/**
 * One leader among several candidates, by a key that the leader writes again and again. A candidate that has seen no new revision for leaseMs of its own clock
 * replaces it; the write names the revision that it replaces, so one of several wins. A leader that could not renew for most of the lease steps down by itself.
 *
 * A lease is a hint and no lock: a leader that stood still may act once more before it notices. What it does must bear that: placements are written by
 * compare-and-set, and epochs only grow.
 */

import type { KV } from '@nats-io/kv';
import type { Leadership } from '../control-plane.js';
import { awakeClock } from '../in-process.js';
import { decodeDocument, encodeDocument } from './codec.js';
import { call, unlessOvertaken, type NatsSession } from './session.js';

const KEY = 'leader';
const LOOKS_PER_LEASE = 6;
/** Of the lease: a leader is silent before anybody follows it. */
const STEP_DOWN_SHARE = 2 / 3;

interface Lease {
  /** empty = given up */
  readonly candidate: string;
}

export class NatsLeadership implements Leadership {
  readonly #campaigns = new Set<Campaign>();

  static async open(session: NatsSession, leaseMs: number): Promise<NatsLeadership> {
    return new NatsLeadership(await session.bucket('leader'), leaseMs);
  }

  private constructor(
    private readonly bucket: KV,
    private readonly leaseMs: number,
  ) {}

  async leader(): Promise<string | undefined> {
    const entry = await call('say who leads', () => this.bucket.get(KEY));
    return entry === null ? undefined : decodeDocument<Lease>(entry.value).candidate || undefined;
  }

  campaign(candidate: string, onChange: (leading: boolean) => void): () => Promise<void> {
    const campaign = new Campaign(this.bucket, candidate, this.leaseMs, onChange);
    this.#campaigns.add(campaign);
    campaign.start();
    return async () => {
      this.#campaigns.delete(campaign);
      await campaign.stop();
    };
  }

  close(): void {
    for (const campaign of this.#campaigns) campaign.abandon();
  }
}

class Campaign {
  /** revision of our lease while we lead */
  #mine: number | undefined;
  #seen: number | undefined;
  #seenSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stepDownTimer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;
  readonly #clock: () => number;

  constructor(
    private readonly bucket: KV,
    private readonly candidate: string,
    private readonly leaseMs: number,
    private readonly onChange: (leading: boolean) => void,
  ) {
    this.#clock = awakeClock(() => performance.now(), leaseMs / 2);
  }

  start(): void {
    const look = async (): Promise<void> => {
      try {
        await (this.#mine === undefined ? this.#tryToLead() : this.#renew(this.#mine));
      } catch {
        // NATS is away: whoever leads steps down in time, and nobody follows before it is back.
      }
      if (!this.#stopped) this.#timer = setTimeout(() => void (this.#turn = look()), this.leaseMs / LOOKS_PER_LEASE);
    };
    this.#turn = look();
  }

  /** Gives the lease up, so that another need not wait for its end. */
  async stop(): Promise<void> {
    this.#halt();
    await this.#turn;
    const mine = this.#mine;
    this.#resign();
    if (mine !== undefined) await unlessOvertaken('give the lead up', () => this.bucket.update(KEY, this.#lease(''), mine));
  }

  /** Ends without a word, as a process that dies. */
  abandon(): void {
    this.#halt();
    this.#resign();
  }

  #halt(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #tryToLead(): Promise<void> {
    const entry = await this.bucket.get(KEY);
    const now = this.#clock();
    if (entry === null) return this.#lead(await unlessOvertaken('take the lead', () => this.bucket.create(KEY, this.#lease(this.candidate))));
    if (entry.revision !== this.#seen) {
      this.#seen = entry.revision;
      this.#seenSinceMs = now;
    }
    const free = decodeDocument<Lease>(entry.value).candidate === '' || now - this.#seenSinceMs >= this.leaseMs;
    if (free) this.#lead(await unlessOvertaken('take the lead', () => this.bucket.update(KEY, this.#lease(this.candidate), entry.revision)));
  }

  async #renew(mine: number): Promise<void> {
    const next = await unlessOvertaken('renew the lead', () => this.bucket.update(KEY, this.#lease(this.candidate), mine));
    if (next === undefined) this.#resign();
    else if (this.#mine !== undefined) this.#lead(next);
  }

  #lead(revision: number | undefined): void {
    if (revision === undefined) return;
    const fresh = this.#mine === undefined;
    this.#mine = revision;
    clearTimeout(this.#stepDownTimer);
    this.#stepDownTimer = setTimeout(() => this.#resign(), this.leaseMs * STEP_DOWN_SHARE);
    this.#stepDownTimer.unref();
    if (fresh && !this.#stopped) this.onChange(true);
  }

  #resign(): void {
    clearTimeout(this.#stepDownTimer);
    if (this.#mine === undefined) return;
    this.#mine = undefined;
    this.onChange(false);
  }

  #lease(candidate: string): Uint8Array {
    return encodeDocument({ candidate } satisfies Lease);
  }
}
