/** From a submitted request to a job and back: its id, its bytes, its plan. */

import { createHash } from 'node:crypto';
import type { SampleRequest__Output } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import type { SubmitJobRequest__Output } from '../../proto/generated/golddiff/v1/SubmitJobRequest.js';
import type { Manifest } from '../../shared/dataset/manifest.js';
import { argumentError } from '../../shared/errors.js';
import { JOB_KEY_CHARS_MAX, JOB_RESULT_BYTES_MAX } from '../../shared/limits.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { planSample, type SamplePlan } from '../sample-request.js';
import { rowValues } from '../step-plan.js';

export interface JobRequest {
  readonly key: string;
  readonly request: SampleRequest__Output;
}

/** One key, one job: whoever sends it again finds it. */
export function jobIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 32);
}

/** @throws ARGUMENT_INVALID and what planSample throws, before anything is kept */
export function checkSubmission({ idempotencyKey: key, request }: SubmitJobRequest__Output, manifest: Manifest): JobRequest {
  if (key.length < 1 || key.length > JOB_KEY_CHARS_MAX) throw argumentError('idempotency_key', `1 to ${JOB_KEY_CHARS_MAX} characters`, key);
  if (request === null) throw argumentError('request', 'a SampleRequest', 'none');
  planJob(request, manifest);
  return { key, request };
}

/**
 * The plan of a job. Where the caller leaves the search of golden subsets open it is the scan: an index may become ready between two tries of one job, and its
 * candidates may differ.
 */
export function planJob(request: SampleRequest__Output, manifest: Manifest): SamplePlan {
  const { retrieval } = request;
  const fixed =
    retrieval?.search === 'SEARCH_AUTO' || retrieval?.search === 'SEARCH_UNSPECIFIED'
      ? { ...request, retrieval: { ...retrieval, search: 'SEARCH_SCAN' as const } }
      : request;
  const plan = planSample({ ...fixed, previewEvery: 0, returnMassRows: false }, manifest);
  const bytes = plan.count * rowValues(manifest) * Float32Array.BYTES_PER_ELEMENT;
  if (bytes > JOB_RESULT_BYTES_MAX)
    throw argumentError('request.count', `at most ${JOB_RESULT_BYTES_MAX} bytes of images in one job`, `${bytes} bytes`);
  return plan;
}

export function encodeJob({ key, request }: JobRequest): Uint8Array {
  return protoPackage.SubmitJobRequest.serialize({ idempotencyKey: key, request });
}

/** @throws ARGUMENT_INVALID where the request is no longer kept */
export function decodeJob(payload: Uint8Array): JobRequest {
  const { idempotencyKey: key, request } = protoPackage.SubmitJobRequest.deserialize(Buffer.from(payload));
  if (request === null) throw argumentError('the request of the job', 'a SampleRequest that is still kept', 'none');
  return { key, request };
}
