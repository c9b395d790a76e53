/**
 * A real gRPC server with the public services and answers that a test can foretell: x0hat = x / 2, log evidence = the query's place in its batch.
 */

import { after } from 'node:test';

import type { Dataset } from '../../proto/generated/golddiff/v1/Dataset.js';
import type { SampleEvent } from '../../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest__Output } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import type { ScoreRequest__Output } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse } from '../../proto/generated/golddiff/v1/ScoreResponse.js';
import type { ScoreStreamRequest__Output } from '../../proto/generated/golddiff/v1/ScoreStreamRequest.js';
import type { ScoreStreamResponse } from '../../proto/generated/golddiff/v1/ScoreStreamResponse.js';
import { asGolddiffError, GolddiffError } from '../../shared/errors.js';
import { PUBLIC_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { createLogger } from '../../shared/log.js';
import { startGrpcServer } from '../../shared/rpc/grpc-server.js';
import { bidi, serverStream, unary, type CallContext } from '../../shared/rpc/handlers.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';

export const CANNED_DATA_SET: Dataset = {
  name: 'tiny',
  shape: [1, 2, 2],
  dtype: 'U8',
  rows: 100,
  partitions: [{ id: 0, rows: 100, sha256: '', replicas: ['w'] }],
  contentHash: 'abc',
  coverage: 1,
  placementEpoch: 1,
};

export interface CannedBehaviour {
  /** what ScoreService.Score and each message of ScoreStream do */
  readonly score?: (request: ScoreRequest__Output, context: CallContext) => Promise<ScoreResponse>;
  readonly sample?: (request: SampleRequest__Output, context: CallContext, write: (event: SampleEvent) => Promise<void>) => Promise<void>;
}

export interface CannedCoordinator {
  readonly endpoint: string;
  /** in the order of arrival */
  readonly scoreRequests: ScoreRequest__Output[];
  readonly sampleRequests: SampleRequest__Output[];
}

/** Stopped when the test file ends. */
export async function startCannedCoordinator(behaviour: CannedBehaviour = {}): Promise<CannedCoordinator> {
  const scoreRequests: ScoreRequest__Output[] = [];
  const sampleRequests: SampleRequest__Output[] = [];
  const score = behaviour.score ?? cannedScore;
  const sample = behaviour.sample ?? cannedSample;
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    log: createLogger('test', 'silent'),
    messageBytesMax: PUBLIC_MESSAGE_BYTES_MAX,
    services: [
      {
        service: protoPackage.ScoreService.service,
        implementation: {
          Score: unary((request: ScoreRequest__Output, context) => {
            scoreRequests.push(request);
            return score(request, context);
          }),
          ScoreStream: bidi(
            async (requests: AsyncIterable<ScoreStreamRequest__Output>, context, write: (m: ScoreStreamResponse) => Promise<void>) => {
              for await (const { id, request } of requests) {
                if (request === null) continue;
                scoreRequests.push(request);
                try {
                  await write({ id, response: await score(request, context) });
                } catch (thrown) {
                  const error = asGolddiffError(thrown);
                  const failure = { code: error.grpcStatus, reason: error.code, message: error.message, retryAfterMs: error.data.retryAfterMs ?? 0 };
                  await write({ id, failure });
                }
              }
            },
          ),
        },
      },
      {
        service: protoPackage.SamplingService.service,
        implementation: {
          Sample: serverStream(async (request: SampleRequest__Output, context, write: (event: SampleEvent) => Promise<void>) => {
            sampleRequests.push(request);
            await sample(request, context, write);
          }),
        },
      },
      {
        service: protoPackage.DatasetService.service,
        implementation: {
          List: unary(({ pageToken }: { pageToken: string }) =>
            Promise.resolve(
              pageToken === ''
                ? { dataSets: [CANNED_DATA_SET], nextPageToken: 'second' }
                : { dataSets: [{ ...CANNED_DATA_SET, name: 'other' }], nextPageToken: '' },
            ),
          ),
          Get: unary(({ name }: { name: string }) => {
            if (name !== '' && name !== 'tiny') throw new GolddiffError('DATA_SET_UNKNOWN', `Expected a served data set but received ${name}`);
            return Promise.resolve(CANNED_DATA_SET);
          }),
        },
      },
    ],
  });
  after(() => server.forceStop());
  return { endpoint: server.address, scoreRequests, sampleRequests };
}

export async function cannedScore(request: ScoreRequest__Output): Promise<ScoreResponse> {
  const x = request.x;
  if (x === null) throw new GolddiffError('ARGUMENT_INVALID', 'Expected a tensor for x but received none', { field: 'x' });
  const batch = x.shape[0] ?? 0;
  const values = x.dtype === 'F64' ? new Float64Array(Uint8Array.from(x.data).buffer) : new Float32Array(Uint8Array.from(x.data).buffer);
  const half = { dtype: 'F32' as const, shape: x.shape, data: Buffer.from(Float32Array.from(values, (v) => v / 2).buffer) };
  const each = (value: number): number[] => new Array<number>(batch).fill(value);
  return Promise.resolve({
    x0hat: half,
    score: request.returnScore ? half : null,
    eps: request.returnEps ? half : null,
    logEvidence: Array.from({ length: batch }, (_, b) => b),
    logZ: each(-1),
    effectiveSupport: each(2),
    maxWeight: each(0.5),
    goldenRows: each(100),
    tailMassBound: each(0),
    tailMassKind: 'EXACT' as const,
    coverage: { rowsReached: 100, rowsTotal: 100, fraction: 1, missingPartitions: [] },
    timings: { totalMs: 1 },
    massRows: request.returnMassRows ? { rows50: each(1), rows90: each(2), rows99: each(3) } : null,
    alpha: each(1),
    sigma: each(1),
  });
}

/** Two batches of up to two images, whose values are their number. */
async function cannedSample(request: SampleRequest__Output, _: CallContext, write: (event: SampleEvent) => Promise<void>): Promise<void> {
  const steps = request.steps || 10;
  for (let first = 0; first < request.count; first += 2) {
    const batch = Math.min(2, request.count - first);
    for (let step = 1; step <= steps; step++) {
      const t = (steps - step) * Math.floor(1000 / steps);
      const each = (value: number): number[] => new Array<number>(batch).fill(value);
      await write({
        progress: {
          step,
          steps,
          firstSample: first,
          batchRows: batch,
          evaluationsDone: first * steps + step * batch,
          evaluationsTotal: request.count * steps,
          t,
          alpha: 1,
          sigma: 0.5,
          effectiveSupport: each(3),
          goldenRows: each(50),
          tailMassBound: each(0.25),
          tailMassKind: 'HEURISTIC',
          timings: { totalMs: 2 },
        },
      });
      if (request.previewEvery > 0)
        await write({
          preview: { step, firstSample: first, t, sigma: 0.5, x0hat: { dtype: 'U8', shape: [batch, 1, 2, 2], data: Buffer.alloc(batch * 4, step) } },
        });
    }
    const values = Float32Array.from({ length: batch * 4 }, (_value, i) => (first + Math.floor(i / 4)) / 100);
    await write({ images: { firstSample: first, images: { dtype: 'F32', shape: [batch, 1, 2, 2], data: Buffer.from(values.buffer) } } });
  }
  const evaluations = request.count * steps;
  await write({
    summary: {
      count: request.count,
      steps,
      evaluations,
      rowsScored: evaluations * 50,
      totalMs: 5,
      tailMassBoundMax: 0.25,
      tailMassKind: 'HEURISTIC',
      coverageMin: 1,
    },
  });
}
