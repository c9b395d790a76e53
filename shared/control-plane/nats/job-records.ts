/** What is kept of each job: a record in a bucket, changed by compare-and-set, and a view of all of them for lists and watchers. */

import type { KV, KvEntry } from '@nats-io/kv';
import { ARTIFACT_KEPT_MS_MAX, JOB_RECORD_KEPT_MS, NATS_MARK_INTERVAL_MS } from '../../limits.js';
import type { JobRecord } from '../control-plane.js';
import { Watchers } from '../watchers.js';
import { BucketWatch } from './bucket-watch.js';
import { decodeDocument, encodeDocument, keyToken } from './codec.js';
import { call, unlessOvertaken, type NatsSession } from './session.js';

/** As stored. Bytes are base64. */
export interface StoredJob {
  readonly jobId: string;
  /** absent = in the artifacts */
  readonly payload?: string;
  /** place in the queue, in order of submission */
  readonly number: number;
  readonly state: JobRecord['state'];
  readonly deliveries: number;
  readonly progress?: string;
  readonly failure?: string;
  readonly submittedUnixMs: number;
  readonly changedUnixMs: number;
  readonly revision: number;
}

/** A record and the revision of its key. */
export interface Versioned {
  readonly job: StoredJob;
  readonly version: number;
}

const JOB = 'job.';

export class JobRecords {
  readonly #byId = new Map<string, Versioned & { readonly heardMs: number }>();
  readonly #watchers = new Watchers<StoredJob>();
  readonly #watch: BucketWatch;

  static async open(session: NatsSession): Promise<JobRecords> {
    // What a record tells of goes before the record does.
    return new JobRecords(await session.bucket('jobs', Math.max(JOB_RECORD_KEPT_MS, ARTIFACT_KEPT_MS_MAX)));
  }

  private constructor(private readonly bucket: KV) {
    this.#watch = new BucketWatch(bucket, NATS_MARK_INTERVAL_MS);
    this.#watch.on((entry) => this.#heard(entry));
  }

  async get(jobId: string): Promise<Versioned | undefined> {
    const entry = await call('show a job', () => this.bucket.get(JOB + keyToken(jobId)));
    return entry === null ? undefined : this.#apply({ job: decodeDocument<StoredJob>(entry.value), version: entry.revision });
  }

  /** The record that is there, or the new one. */
  async create(job: StoredJob): Promise<Versioned> {
    const version = await unlessOvertaken('take a job', () => this.bucket.create(JOB + keyToken(job.jobId), encodeDocument(job)));
    if (version !== undefined) return this.#apply({ job, version });
    const there = await this.get(job.jobId);
    return there ?? this.create(job);
  }

  /**
   * Changes a record as it is now, as often as others are faster. `change` gives the new fields, or undefined where nothing is to be done any more.
   * @returns the new record; undefined where there is none or nothing was changed
   */
  async update(jobId: string, change: (job: StoredJob) => Partial<StoredJob> | undefined): Promise<StoredJob | undefined> {
    for (;;) {
      const found = await this.get(jobId);
      const fields = found && change(found.job);
      if (found === undefined || fields === undefined) return undefined;
      const job: StoredJob = { ...found.job, ...fields, changedUnixMs: Date.now(), revision: found.job.revision + 1 };
      const version = await unlessOvertaken('change a job', () => this.bucket.update(JOB + keyToken(jobId), encodeDocument(job), found.version));
      if (version !== undefined) return this.#apply({ job, version }).job;
    }
  }

  /** All jobs, newest first. */
  async list(): Promise<StoredJob[]> {
    await this.#watch.catchUp();
    const oldestMs = performance.now() - Math.max(JOB_RECORD_KEPT_MS, ARTIFACT_KEPT_MS_MAX);
    for (const [id, { heardMs }] of this.#byId) if (heardMs < oldestMs) this.#byId.delete(id);
    return [...this.#byId.values()].map(({ job }) => job).sort((a, b) => b.number - a.number);
  }

  watch(jobId: string, onChange: (job: StoredJob) => void): () => void {
    const stop = this.#watchers.add(jobId, onChange);
    this.#watch.start();
    return stop;
  }

  close(): void {
    this.#watchers.clear();
    this.#watch.stop();
  }

  #heard(entry: KvEntry): void {
    if (entry.key.startsWith(JOB) && entry.operation === 'PUT') this.#apply({ job: decodeDocument<StoredJob>(entry.value), version: entry.revision });
  }

  #apply(heard: Versioned): Versioned {
    const { jobId } = heard.job;
    if (heard.version > (this.#byId.get(jobId)?.version ?? 0)) {
      this.#byId.set(jobId, { ...heard, heardMs: performance.now() });
      this.#watchers.tell(jobId, heard.job);
    }
    return heard;
  }
}
