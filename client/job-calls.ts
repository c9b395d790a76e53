/** Durable sampling: jobs as the client sees them. */

import type { Job__Output } from '../proto/generated/golddiff/v1/Job.js';
import type { JobServiceClient } from '../proto/generated/golddiff/v1/JobService.js';
import type { ListJobsResponse__Output } from '../proto/generated/golddiff/v1/ListJobsResponse.js';
import type { SampleRequest__Output } from '../proto/generated/golddiff/v1/SampleRequest.js';
import { GolddiffError } from '../shared/errors.js';
import { PAGE_SIZE_MAX } from '../shared/limits.js';
import { serverStreamCall, unaryCall, type CallControl } from './calls.js';
import { encodeSampleRequest, type SampleInput } from './sample-call.js';
import { decodeFloats } from './typed-tensor.js';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface JobInfo {
  readonly jobId: string;
  readonly state: JobState;
  readonly idempotencyKey: string;
  /** null once it is no longer kept */
  readonly request: SampleRequest__Output | null;
  readonly evaluationsDone: number;
  /** 0 = not known yet */
  readonly evaluationsTotal: number;
  readonly submittedUnixMs: number;
  /** 0 = not yet */
  readonly startedUnixMs: number;
  readonly endedUnixMs: number;
  /** when the result goes; 0 = there is none yet */
  readonly expiresUnixMs: number;
  /** times a coordinator took it up */
  readonly deliveries: number;
  /** one sentence, where it failed */
  readonly failure: string;
}

export interface JobResult {
  /** [count, C, H, W] in the data's range */
  readonly images: Float32Array;
  readonly count: number;
  readonly shape: readonly [number, number, number];
}

export const JOB_ENDED: ReadonlySet<JobState> = new Set<JobState>(['succeeded', 'failed', 'cancelled']);

/** All of them may be called again after a failure: on the same coordinator or on another. */
export class JobCalls {
  constructor(
    private readonly service: JobServiceClient,
    /** adds the connection's default timeout */
    private readonly bounded: (control: CallControl) => CallControl,
  ) {}

  /** @param key 1 .. 128 characters; the same key gives the same job. ALREADY_EXISTS where it was used for another request. */
  async submit(key: string, input: SampleInput, control: CallControl = {}): Promise<JobInfo> {
    const request = { idempotencyKey: key, request: encodeSampleRequest(input) };
    return decodeJob(await unaryCall(this.bounded(control), (metadata, options, done) => this.service.submit(request, metadata, options, done)));
  }

  async get(jobId: string, control: CallControl = {}): Promise<JobInfo> {
    return decodeJob(await unaryCall(this.bounded(control), (metadata, options, done) => this.service.get({ jobId }, metadata, options, done)));
  }

  /** Newest first, at most `limit`. */
  async list(limit = Infinity, control: CallControl = {}): Promise<JobInfo[]> {
    const all: JobInfo[] = [];
    let pageToken = '';
    do {
      const request = { pageSize: Math.min(PAGE_SIZE_MAX, limit - all.length), pageToken };
      const page: ListJobsResponse__Output = await unaryCall(this.bounded(control), (metadata, options, done) =>
        this.service.list(request, metadata, options, done),
      );
      all.push(...page.jobs.map(decodeJob));
      pageToken = page.nextPageToken;
    } while (pageToken !== '' && all.length < limit);
    return all;
  }

  /** The job as it is, then every change, until it ends. */
  async *watch(jobId: string, control: CallControl = {}): AsyncGenerator<JobInfo, void, undefined> {
    for await (const job of serverStreamCall(control, (metadata, options) => this.service.watch({ jobId }, metadata, options))) yield decodeJob(job);
  }

  /** An ended job stays as it is. */
  async cancel(jobId: string, control: CallControl = {}): Promise<JobInfo> {
    return decodeJob(await unaryCall(this.bounded(control), (metadata, options, done) => this.service.cancel({ jobId }, metadata, options, done)));
  }

  /** JOB_NOT_DONE before it has succeeded, NOT_FOUND once the result has expired. */
  async result(jobId: string, control: CallControl = {}): Promise<JobResult> {
    const pieces: Float32Array[] = [];
    let count = 0;
    let shape: readonly [number, number, number] | undefined;
    for await (const { firstSample, images } of serverStreamCall(control, (metadata, options) => this.service.result({ jobId }, metadata, options))) {
      if (images === null || firstSample !== count) throw new GolddiffError('INTERNAL', `Expected image ${count} of the result but it is missing`);
      const { values, shape: whole } = decodeFloats('images', images);
      const [rows = 0, c = 0, h = 0, w = 0] = whole;
      pieces.push(Float32Array.from(values));
      count += rows;
      shape = [c, h, w];
    }
    if (shape === undefined) throw new GolddiffError('INTERNAL', 'Expected images but the result is empty');
    const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return { images: all, count, shape };
  }
}

const STATES: Readonly<Record<string, JobState>> = {
  QUEUED: 'queued',
  RUNNING: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};

function decodeJob(job: Job__Output): JobInfo {
  const state = STATES[job.state];
  if (state === undefined) throw new GolddiffError('INTERNAL', `Expected the state of a job but received ${job.state}`);
  return { ...job, state };
}
