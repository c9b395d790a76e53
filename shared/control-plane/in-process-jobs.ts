/**
 * Jobs in memory. A job is delivered to one taker at a time; when the taker's lease ends without a word, the job waits again, and after deliveriesMax
 * deliveries it fails instead, so that a request that kills its workers does not circle for ever.
 */

import type { JobLease, JobQueue, JobRecord, Jobs } from './control-plane.js';
import { queueOf } from './job-queue.js';
import { Watchers } from './watchers.js';

interface Held {
  record: JobRecord;
  /** order of submission */
  readonly number: number;
  /** token of the delivery under way */
  delivery: object | undefined;
  leaseEndsMs: number;
}

export class InProcessJobs implements Jobs {
  /** in order of submission */
  readonly #jobs = new Map<string, Held>();
  readonly #watchers = new Watchers<JobRecord>();
  readonly #nowMs: () => number;
  #submitted = 0;
  #givenUp = 0;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  async submit(jobId: string, payload: Uint8Array): Promise<JobRecord> {
    const existing = this.#jobs.get(jobId);
    if (existing !== undefined) return existing.record;
    const record: JobRecord = {
      jobId,
      payload: Uint8Array.from(payload),
      state: 'queued',
      deliveries: 0,
      progress: undefined,
      failure: undefined,
      submittedUnixMs: Date.now(),
      changedUnixMs: Date.now(),
      revision: 1,
    };
    this.#jobs.set(jobId, { record, number: this.#submitted++, delivery: undefined, leaseEndsMs: 0 });
    this.#watchers.tell(jobId, record);
    return record;
  }

  async get(jobId: string): Promise<JobRecord | undefined> {
    this.sweep();
    return this.#jobs.get(jobId)?.record;
  }

  async list(limit: number, after?: string): Promise<readonly JobRecord[]> {
    this.sweep();
    const before = after === undefined ? Infinity : (this.#jobs.get(after)?.number ?? -1);
    return [...this.#jobs.values()]
      .filter(({ number }) => number < before)
      .reverse()
      .slice(0, limit)
      .map(({ record }) => record);
  }

  async take(leaseMs: number, deliveriesMax: number): Promise<JobLease | undefined> {
    this.sweep();
    for (const held of this.#jobs.values()) {
      if (held.record.state !== 'queued') continue;
      if (held.record.deliveries >= deliveriesMax) {
        this.#givenUp++;
        this.#change(held, { state: 'failed', failure: `The job was taken up ${held.record.deliveries} times and never ended` });
        continue;
      }
      return this.#deliver(held, leaseMs);
    }
    return undefined;
  }

  async cancel(jobId: string): Promise<JobRecord | undefined> {
    this.sweep();
    const held = this.#jobs.get(jobId);
    if (held === undefined) return undefined;
    if (held.record.state === 'queued' || held.record.state === 'running') {
      held.delivery = undefined;
      this.#change(held, { state: 'cancelled' });
    }
    return held.record;
  }

  watch(jobId: string, onChange: (job: JobRecord) => void): () => void {
    return this.#watchers.add(jobId, onChange);
  }

  async queue(): Promise<JobQueue> {
    this.sweep();
    return queueOf(
      Array.from(this.#jobs.values(), ({ record }) => record),
      this.#givenUp,
    );
  }

  /** Jobs whose taker has gone silent wait again. */
  sweep(): void {
    const now = this.#nowMs();
    for (const held of this.#jobs.values()) {
      if (held.delivery === undefined || held.leaseEndsMs > now) continue;
      held.delivery = undefined;
      this.#change(held, { state: 'queued' });
    }
  }

  close(): void {
    this.#watchers.clear();
    this.#jobs.clear();
  }

  #deliver(held: Held, leaseMs: number): JobLease {
    const delivery = {};
    held.delivery = delivery;
    held.leaseEndsMs = this.#nowMs() + leaseMs;
    this.#change(held, { state: 'running', deliveries: held.record.deliveries + 1 });
    // A taker whose lease has ended changes nothing any more: another may be at work on the same job.
    const whileHeld = (change: Partial<JobRecord>, ends: boolean): boolean => {
      this.sweep();
      if (held.delivery !== delivery) return false;
      if (ends) held.delivery = undefined;
      else held.leaseEndsMs = this.#nowMs() + leaseMs;
      this.#change(held, change);
      return true;
    };
    return {
      job: held.record,
      progress: async (progress) => whileHeld({ progress: Uint8Array.from(progress) }, false),
      succeed: async () => void whileHeld({ state: 'succeeded' }, true),
      fail: async (reason) => void whileHeld({ state: 'failed', failure: reason }, true),
      release: async () => void whileHeld({ state: 'queued' }, true),
    };
  }

  #change(held: Held, change: Partial<JobRecord>): void {
    held.record = { ...held.record, ...change, changedUnixMs: Date.now(), revision: held.record.revision + 1 };
    this.#watchers.tell(held.record.jobId, held.record);
  }
}
