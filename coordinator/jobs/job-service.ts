/** JobService: durable sampling, over whatever the control plane keeps. Any coordinator answers for every job. */

import type { GetJobRequest__Output } from '../../proto/generated/golddiff/v1/GetJobRequest.js';
import type { Job } from '../../proto/generated/golddiff/v1/Job.js';
import type { JobServiceHandlers } from '../../proto/generated/golddiff/v1/JobService.js';
import type { JobState } from '../../proto/generated/golddiff/v1/JobState.js';
import type { SampleImages } from '../../proto/generated/golddiff/v1/SampleImages.js';
import type { ControlPlane, JobRecord } from '../../shared/control-plane/control-plane.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { argumentError, GolddiffError } from '../../shared/errors.js';
import { JOB_WATCH_LOOK_MS, PAGE_SIZE_MAX, SAMPLE_IMAGES_BYTES_MAX } from '../../shared/limits.js';
import { serverStream, unary, type CallContext, type Write } from '../../shared/rpc/handlers.js';
import { encodeTensor } from '../../shared/rpc/tensor-codec.js';
import { integerIn } from '../request-fields.js';
import { rowValues } from '../step-plan.js';
import { JobArtifacts } from './job-artifacts.js';
import { decodeProgress } from './job-progress.js';
import { checkSubmission, decodeJob, encodeJob, jobIdOf } from './job-request.js';

const PAGE_SIZE_DEFAULT = 100;
const STATES: Readonly<Record<JobRecord['state'], JobState>> = {
  queued: 'QUEUED',
  running: 'RUNNING',
  succeeded: 'SUCCEEDED',
  failed: 'FAILED',
  cancelled: 'CANCELLED',
};

export function jobService({ jobs, artifacts }: Pick<ControlPlane, 'jobs' | 'artifacts'>, manifest: Manifest): JobServiceHandlers {
  const find = async (jobId: string): Promise<JobRecord> => {
    const record = await jobs.get(jobId);
    if (record === undefined) throw unknownJob(jobId);
    return record;
  };
  return {
    Submit: unary(async (submission) => {
      const request = checkSubmission(submission, manifest);
      const payload = encodeJob(request);
      const record = await jobs.submit(jobIdOf(request.key), payload);
      if (Buffer.compare(record.payload, payload) !== 0)
        throw new GolddiffError(
          'ALREADY_EXISTS',
          `Expected the request that the idempotency key ${request.key} was used for before but received another one`,
        );
      return describeJob(record);
    }),
    Get: unary(async ({ jobId }) => describeJob(await find(jobId))),
    List: unary(async ({ pageSize, pageToken }) => {
      const limit = integerIn('page_size', pageSize, 0, PAGE_SIZE_MAX) || PAGE_SIZE_DEFAULT;
      if (pageToken !== '' && (await jobs.get(pageToken)) === undefined)
        throw argumentError('page_token', 'a token of the previous answer', pageToken);
      const page = await jobs.list(limit + 1, pageToken || undefined);
      const shown = page.slice(0, limit);
      return { jobs: shown.map(describeJob), nextPageToken: page.length > limit ? shown.at(-1)!.jobId : '' };
    }),
    Watch: serverStream<GetJobRequest__Output, Job>(async ({ jobId }, context, write) => {
      await find(jobId);
      for await (const record of changes({ jobs }, jobId, context)) await write(describeJob(record));
    }),
    Cancel: unary(async ({ jobId }) => {
      const record = await jobs.cancel(jobId);
      if (record === undefined) throw unknownJob(jobId);
      return describeJob(record);
    }),
    Result: serverStream<GetJobRequest__Output, SampleImages>(async ({ jobId }, _context, write) => {
      const { state, failure } = await find(jobId);
      if (state !== 'succeeded')
        throw new GolddiffError(
          'JOB_NOT_DONE',
          `Expected a job that has succeeded for job_id but this one is ${state}${failure === undefined ? '' : `: ${failure}`}`,
        );
      const images = await new JobArtifacts(artifacts, jobId).result();
      if (images === undefined) throw new GolddiffError('NOT_FOUND', `The result of job ${jobId} has expired`);
      await writeImages(images, manifest, write);
    }),
  };
}

/** The job as it is, then every change that this process hears of, until it ends. */
async function* changes({ jobs }: Pick<ControlPlane, 'jobs'>, jobId: string, { signal, draining }: CallContext): AsyncGenerator<JobRecord> {
  let wake = (): void => {};
  const unwatch = jobs.watch(jobId, () => wake());
  const onEnd = (): void => wake();
  for (const s of [signal, draining]) s.addEventListener('abort', onEnd);
  try {
    for (let told = 0; ;) {
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const record = await jobs.get(jobId);
      if (record === undefined) throw unknownJob(jobId);
      if (record.revision > told) yield record;
      told = record.revision;
      if (record.state !== 'queued' && record.state !== 'running') return;
      signal.throwIfAborted();
      if (draining.aborted) throw new GolddiffError('DRAINING', 'The coordinator is shutting down');
      const timer = setTimeout(wake, JOB_WATCH_LOOK_MS);
      await changed;
      clearTimeout(timer);
    }
  } finally {
    unwatch();
    for (const s of [signal, draining]) s.removeEventListener('abort', onEnd);
  }
}

export function describeJob(record: JobRecord): Job {
  const progress = decodeProgress(record.progress);
  const ended = record.state !== 'queued' && record.state !== 'running';
  const { key, request } = record.payload.length === 0 ? { key: '', request: null } : decodeJob(record.payload);
  return {
    jobId: record.jobId,
    state: STATES[record.state],
    idempotencyKey: key,
    request,
    evaluationsDone: progress?.evaluationsDone ?? 0,
    evaluationsTotal: progress?.evaluationsTotal ?? 0,
    submittedUnixMs: record.submittedUnixMs,
    startedUnixMs: progress?.startedUnixMs ?? 0,
    endedUnixMs: ended ? record.changedUnixMs : 0,
    expiresUnixMs: progress?.expiresUnixMs ?? 0,
    deliveries: record.deliveries,
    failure: record.failure ?? '',
  };
}

async function writeImages(images: Float32Array, manifest: Manifest, write: Write<SampleImages>): Promise<void> {
  const dim = rowValues(manifest);
  const rows = Math.max(1, Math.floor(SAMPLE_IMAGES_BYTES_MAX / (dim * Float32Array.BYTES_PER_ELEMENT)));
  const count = images.length / dim;
  for (let first = 0; first < count; first += rows) {
    const piece = images.subarray(first * dim, Math.min(count, first + rows) * dim);
    await write({ firstSample: first, images: encodeTensor(piece, [piece.length / dim, ...manifest.shape], 'F32') });
  }
}

function unknownJob(jobId: string): GolddiffError {
  return new GolddiffError('NOT_FOUND', `Expected the id of a job that is kept but received ${JSON.stringify(jobId)}`);
}
