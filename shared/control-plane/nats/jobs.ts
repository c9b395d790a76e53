/**
 * Jobs on a JetStream work queue. The queue says whose turn it is, the record in the bucket what has become of a job:
 *
 *     submit    payload to the artifacts where it is large, then a message (deduplicated by job id), then the record
 *     take      a message is delivered to one taker; the record becomes RUNNING under the number of this delivery, which is the taker's token
 *     progress  the record is changed if the token still fits, and the message's time begins anew (working)
 *     end       the record first, then the acknowledgement
 *
 * Whoever dies between two of these leaves something that the next taker mends: a message without a record makes one, a message whose job has ended is
 * acknowledged, a silent taker's message comes back when its time is over. A job delivered too often fails, and a dead letter says why.
 */

import { AckPolicy, JetStreamError, RetentionPolicy, StorageType, type Consumer, type JsMsg } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { again } from '../../again.js';
import {
  ARTIFACT_KEPT_MS_MAX,
  DEAD_LETTERS_MAX,
  JOB_DUPLICATES_MS,
  JOB_INLINE_BYTES_MAX,
  JOB_TAKE_WAIT_MS,
  NATS_REQUEST_TIMEOUT_MS,
} from '../../limits.js';
import type { Artifacts, JobLease, JobQueue, JobRecord, Jobs } from '../control-plane.js';
import { queueOf } from '../job-queue.js';
import { decodeDocument, encodeDocument } from './codec.js';
import { JobRecords, type StoredJob } from './job-records.js';
import { call, callToMake, type NatsSession } from './session.js';

/** A message of the queue: all that a record is made of. */
interface Ticket {
  readonly jobId: string;
  readonly submittedUnixMs: number;
  /** base64; absent = in the artifacts */
  readonly payload?: string;
}

/** What is left of a job that was given up. */
export interface DeadLetter {
  readonly jobId: string;
  readonly deliveries: number;
  readonly reason: string;
}

const TAKERS = 'takers';

export class NatsJobs implements Jobs {
  #consumer: { readonly leaseMs: number; readonly opened: Promise<Consumer> } | undefined;

  static async open(session: NatsSession, artifacts: Artifacts): Promise<NatsJobs> {
    const common = { storage: StorageType.File, num_replicas: session.settings.replicas };
    const queue = { ...common, name: session.name('queue'), subjects: [session.name('queue')], retention: RetentionPolicy.Workqueue };
    const letters = { ...common, name: session.name('dead_letters'), subjects: [session.name('dead_letters')], max_msgs: DEAD_LETTERS_MAX };
    await callToMake('make the queue of jobs', async () => {
      for (const config of [{ ...queue, duplicate_window: nanos(JOB_DUPLICATES_MS) }, letters]) {
        const there = await session.manager.streams.info(config.name).catch(() => undefined);
        if (there === undefined) await session.manager.streams.add(config);
      }
    });
    return new NatsJobs(session, artifacts, await JobRecords.open(session));
  }

  private constructor(
    private readonly session: NatsSession,
    private readonly artifacts: Artifacts,
    private readonly records: JobRecords,
  ) {}

  async submit(jobId: string, payload: Uint8Array): Promise<JobRecord> {
    const there = await this.records.get(jobId);
    if (there !== undefined) return this.#whole(there.job);
    const inline = payload.length <= JOB_INLINE_BYTES_MAX;
    // Under one name for good: a second submission of the same id must find the payload of the first, or none yet.
    if (!inline && (await this.artifacts.get(payloadName(jobId))) === undefined)
      await this.artifacts.put(payloadName(jobId), payload, ARTIFACT_KEPT_MS_MAX);
    const ticket: Ticket = { jobId, submittedUnixMs: Date.now(), ...(inline ? { payload: Buffer.from(payload).toString('base64') } : {}) };
    const { seq } = await call('take a job', () =>
      this.session.streams.publish(this.session.name('queue'), encodeDocument(ticket), { msgID: jobId }),
    );
    return this.#whole(await this.#recordOf(ticket, seq), inline ? payload : undefined);
  }

  async get(jobId: string): Promise<JobRecord | undefined> {
    const found = await this.records.get(jobId);
    return found && this.#whole(found.job);
  }

  async list(limit: number, after?: string): Promise<readonly JobRecord[]> {
    const all = await this.records.list();
    const before = after === undefined ? Infinity : (all.find(({ jobId }) => jobId === after)?.number ?? -1);
    return Promise.all(
      all
        .filter(({ number }) => number < before)
        .slice(0, limit)
        .map((job) => this.#whole(job)),
    );
  }

  async take(leaseMs: number, deliveriesMax: number): Promise<JobLease | undefined> {
    for (;;) {
      const consumer = await this.#takers(leaseMs);
      const endMs = performance.now() + NATS_REQUEST_TIMEOUT_MS;
      const next = (): Promise<JsMsg | null> => consumer.next({ expires: JOB_TAKE_WAIT_MS });
      const message = await call('give a job', () => again(next, { endMs, everyMs: 0, while: wasStill })).catch((thrown: unknown) => {
        this.#consumer = undefined;
        throw thrown;
      });
      if (message === null) return undefined;
      const lease = await this.#accept(message, deliveriesMax);
      if (lease !== undefined) return lease;
    }
  }

  async cancel(jobId: string): Promise<JobRecord | undefined> {
    const cancelled = await this.records.update(jobId, (job) => (ended(job) ? undefined : { state: 'cancelled' }));
    return cancelled === undefined ? this.get(jobId) : this.#whole(cancelled);
  }

  watch(jobId: string, onChange: (job: JobRecord) => void): () => void {
    let told: Promise<void> = Promise.resolve();
    let stopped = false;
    const tell = async (job: StoredJob): Promise<void> => {
      const whole = await this.#whole(job).catch(() => undefined);
      if (whole !== undefined && !stopped) onChange(whole);
    };
    const stop = this.records.watch(jobId, (job) => void (told = told.then(() => tell(job))));
    return () => {
      stopped = true;
      stop();
    };
  }

  /** Jobs that were given up, oldest first; those that were given up while the watch of the operator slept, too. */
  async deadLetters(): Promise<DeadLetter[]> {
    return call('show dead letters', async () => {
      const stream = this.session.name('dead_letters');
      const { state } = await this.session.manager.streams.info(stream);
      const letters: DeadLetter[] = [];
      for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
        const message = await this.session.manager.streams.getMessage(stream, { seq });
        if (message !== null) letters.push(decodeDocument<DeadLetter>(message.data));
      }
      return letters;
    });
  }

  async queue(): Promise<JobQueue> {
    const stream = this.session.name('dead_letters');
    const letters = await call('count dead letters', () => this.session.manager.streams.info(stream));
    return queueOf(await this.records.list(), letters.state.messages);
  }

  close(): void {
    this.records.close();
  }

  async #accept(message: JsMsg, deliveriesMax: number): Promise<JobLease | undefined> {
    const ticket = decodeDocument<Ticket>(message.data);
    const { deliveryCount } = message.info;
    const job = await this.#recordOf(ticket, message.seq);
    if (ended(job) || job.number !== message.seq) {
      message.ack();
      return undefined;
    }
    if (deliveryCount > deliveriesMax) {
      await this.#giveUp(job);
      message.ack();
      return undefined;
    }
    const running = await this.records.update(job.jobId, (now) => (ended(now) ? undefined : { state: 'running', deliveries: deliveryCount }));
    if (running === undefined) {
      message.ack();
      return undefined;
    }
    return this.#lease(message, await this.#whole(running));
  }

  #lease(message: JsMsg, job: JobRecord): JobLease {
    const { jobId, deliveries } = job;
    /** Changes the record while this delivery is the newest. */
    const whileHeld = async (fields: Partial<StoredJob>): Promise<boolean> => {
      const held = (now: StoredJob): boolean => now.state === 'running' && now.deliveries === deliveries;
      return (await this.records.update(jobId, (now) => (held(now) ? fields : undefined))) !== undefined;
    };
    const end = async (fields: Partial<StoredJob>): Promise<void> => {
      await whileHeld(fields);
      message.ack();
    };
    return {
      job,
      progress: async (progress) => {
        message.working();
        return whileHeld({ progress: Buffer.from(progress).toString('base64') });
      },
      succeed: () => end({ state: 'succeeded' }),
      fail: (reason) => end({ state: 'failed', failure: reason }),
      release: async () => {
        await whileHeld({ state: 'queued' });
        message.nak();
      },
    };
  }

  async #giveUp(job: StoredJob): Promise<void> {
    const reason = `The job was taken up ${job.deliveries} times and never ended`;
    const letter: DeadLetter = { jobId: job.jobId, deliveries: job.deliveries, reason };
    await call('take a dead letter', () =>
      this.session.streams.publish(this.session.name('dead_letters'), encodeDocument(letter), { msgID: job.jobId }),
    );
    await this.records.update(job.jobId, (now) => (ended(now) ? undefined : { state: 'failed', failure: reason }));
  }

  async #recordOf({ jobId, submittedUnixMs, payload }: Ticket, number: number): Promise<StoredJob> {
    const fresh = {
      jobId,
      number,
      state: 'queued' as const,
      deliveries: 0,
      submittedUnixMs,
      changedUnixMs: submittedUnixMs,
      revision: 1,
      ...(payload === undefined ? {} : { payload }),
    };
    return (await this.records.create(fresh)).job;
  }

  async #whole(job: StoredJob, known?: Uint8Array): Promise<JobRecord> {
    const payload = known ?? (job.payload === undefined ? await this.artifacts.get(payloadName(job.jobId)) : fromBase64(job.payload));
    return {
      jobId: job.jobId,
      // Kept for as long as any artifact can be; what is left of the job then is its record.
      payload: payload ?? new Uint8Array(0),
      state: job.state,
      deliveries: job.deliveries,
      progress: job.progress === undefined ? undefined : fromBase64(job.progress),
      failure: job.failure,
      submittedUnixMs: job.submittedUnixMs,
      changedUnixMs: job.changedUnixMs,
      revision: job.revision,
    };
  }

  #takers(leaseMs: number): Promise<Consumer> {
    if (this.#consumer?.leaseMs !== leaseMs) {
      const stream = this.session.name('queue');
      const config = { durable_name: TAKERS, ack_policy: AckPolicy.Explicit, ack_wait: nanos(leaseMs), max_deliver: -1 };
      const opened = call('open the queue of jobs', async () => {
        await this.session.manager.consumers.add(stream, config).catch(() => this.session.manager.consumers.update(stream, TAKERS, config));
        return this.session.streams.consumers.get(stream, TAKERS);
      });
      this.#consumer = { leaseMs, opened };
      opened.catch(() => (this.#consumer = undefined));
    }
    return this.#consumer.opened;
  }
}

function ended({ state }: StoredJob): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled';
}

/** A server that was not heard of during one wait, for a second, is busy before it is lost. */
function wasStill(thrown: unknown): boolean {
  return thrown instanceof JetStreamError && thrown.message === 'heartbeats missed';
}

function payloadName(jobId: string): string {
  return `jobs/${jobId}/request`;
}

/** Without the pool that Buffer shares between small ones. */
function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'base64'));
}
