/**
 * Workers as entries of a bucket, one each, written at every heartbeat. When a lease ends is for each observer to say, by its own clock: a worker is dead when
 * nothing of it has been heard for leaseMs, *while other things were heard*. The clock stands still where not even the observer's own marks come back, so that an
 * outage of NATS, or a long pause of this process, kills no worker: what was known stays in effect until there is news.
 */

import type { KV, KvEntry } from '@nats-io/kv';
import { isDeepStrictEqual } from 'node:util';
import type { Membership, WorkerStatus } from '../control-plane.js';
import { awakeClock } from '../in-process.js';
import { Watchers } from '../watchers.js';
import { BucketWatch } from './bucket-watch.js';
import { decodeDocument, encodeDocument, keyToken } from './codec.js';
import { call, type NatsSession } from './session.js';
import type { StateBucket } from './state-bucket.js';

const ALL = '';
const WORKER = 'worker.';
const DRAIN = 'drain.';
/** Marks in one lease: the clock advances by them. */
const MARKS_PER_LEASE = 8;
/** The server forgets a worker after so many leases; it only has to clean up. */
const LEASES_KEPT = 4;

interface Known {
  readonly status: WorkerStatus;
  readonly endsMs: number;
}

export class NatsMembership implements Membership {
  readonly #watchers = new Watchers<readonly WorkerStatus[]>();
  readonly #workers = new Map<string, Known>();
  /** revision last heard of each key */
  readonly #revisions = new Map<string, number>();
  /** key tokens of the workers that are to be emptied */
  readonly #drained = new Set<string>();
  readonly #watch: BucketWatch;
  readonly #clock: () => number;
  #nowMs: number;
  #told: readonly WorkerStatus[] = [];

  static async open(session: NatsSession, state: StateBucket, leaseMs: number): Promise<NatsMembership> {
    return new NatsMembership(await session.bucket('workers', leaseMs * LEASES_KEPT), state, leaseMs);
  }

  private constructor(
    private readonly bucket: KV,
    /** orders to drain are kept there: they do not fade */
    private readonly state: StateBucket,
    private readonly leaseMs: number,
  ) {
    this.#clock = awakeClock(() => performance.now(), leaseMs / 3);
    this.#nowMs = this.#clock();
    this.#watch = new BucketWatch(bucket, leaseMs / MARKS_PER_LEASE, () => {
      this.#nowMs = this.#clock();
      this.#tellChanges();
    });
    this.#watch.on((entry) => this.#heard(entry));
    state.watch.on((entry) => this.#ordered(entry));
  }

  /** From here on this process looks; one that only sends heartbeats need not. */
  observe(): void {
    this.#watch.start();
    this.state.watch.start();
  }

  async heartbeat(status: WorkerStatus): Promise<void> {
    const key = WORKER + keyToken(status.workerId);
    const revision = await call('take a heartbeat', () => this.bucket.put(key, encodeDocument(status)));
    this.#apply(key, revision, status);
  }

  async remove(workerId: string): Promise<void> {
    const key = WORKER + keyToken(workerId);
    await call('remove a worker', async () => {
      const entry = await this.bucket.get(key);
      if (entry === null || entry.length === 0) return;
      // An empty value and not a deletion: its revision is known, so that this very process sees it at once.
      this.#apply(key, await this.bucket.put(key, ''), undefined);
    });
  }

  async drain(workerId: string, on: boolean): Promise<void> {
    await call('take an order', () => this.state.bucket.put(DRAIN + keyToken(workerId), on ? 'on' : ''));
    await this.state.watch.catchUp();
  }

  async list(): Promise<readonly WorkerStatus[]> {
    await Promise.all([this.#watch.catchUp(), this.state.watch.catchUp()]);
    this.#tellChanges();
    return this.#live();
  }

  watch(onChange: (workers: readonly WorkerStatus[]) => void): () => void {
    this.observe();
    return this.#watchers.add(ALL, onChange);
  }

  close(): void {
    this.#watchers.clear();
    this.#watch.stop();
  }

  #heard(entry: KvEntry): void {
    if (!entry.key.startsWith(WORKER)) return;
    const said = entry.operation === 'PUT' && entry.length > 0 ? decodeDocument<WorkerStatus>(entry.value) : undefined;
    this.#apply(entry.key, entry.revision, said);
  }

  #ordered(entry: KvEntry): void {
    if (!entry.key.startsWith(DRAIN)) return;
    const token = entry.key.slice(DRAIN.length);
    if (entry.operation === 'PUT' && entry.length > 0) this.#drained.add(token);
    else this.#drained.delete(token);
    this.#tellChanges();
  }

  #apply(key: string, revision: number, status: WorkerStatus | undefined): void {
    // A watch that begins anew tells of old entries again; they renew nothing.
    if (revision <= (this.#revisions.get(key) ?? 0)) return;
    this.#revisions.set(key, revision);
    if (status === undefined) this.#workers.delete(key);
    else this.#workers.set(key, { status, endsMs: this.#nowMs + this.leaseMs });
    this.#tellChanges();
  }

  #live(): readonly WorkerStatus[] {
    for (const [key, { endsMs }] of this.#workers) if (endsMs <= this.#nowMs) this.#workers.delete(key);
    return [...this.#workers.values()]
      .map(({ status }) => (this.#drained.has(keyToken(status.workerId)) ? { ...status, draining: true } : status))
      .sort((a, b) => (a.workerId < b.workerId ? -1 : 1));
  }

  #tellChanges(): void {
    const live = this.#live();
    if (isDeepStrictEqual(live, this.#told)) return;
    this.#told = live;
    this.#watchers.tell(ALL, live);
  }
}
