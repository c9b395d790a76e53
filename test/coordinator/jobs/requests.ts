/** Submissions as they come over the wire, for the tests of jobs. */

import type { SampleRequest } from '../../../proto/generated/golddiff/v1/SampleRequest.js';
import type { SubmitJobRequest__Output } from '../../../proto/generated/golddiff/v1/SubmitJobRequest.js';
import { protoPackage } from '../../../shared/rpc/proto-package.js';

export function submission(idempotencyKey: string, request: SampleRequest | null): SubmitJobRequest__Output {
  return protoPackage.SubmitJobRequest.deserialize(protoPackage.SubmitJobRequest.serialize({ idempotencyKey, request }));
}
