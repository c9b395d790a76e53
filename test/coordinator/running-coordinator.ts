/** A coordinator in this process over brute-force workers, and clients of its services, for tests over the wire. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { credentials, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import type { SampleEvent__Output } from '../../proto/generated/golddiff/v1/SampleEvent.js';
import type { SampleRequest } from '../../proto/generated/golddiff/v1/SampleRequest.js';
import type { ScoreRequest } from '../../proto/generated/golddiff/v1/ScoreRequest.js';
import type { ScoreResponse__Output } from '../../proto/generated/golddiff/v1/ScoreResponse.js';
import type { CoordinatorConfig } from '../../coordinator/config.js';
import { startCoordinator } from '../../coordinator/server.js';
import { PUBLIC_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { createLogger } from '../../shared/log.js';
import type { RunningService } from '../../shared/process-lifecycle.js';
import { channelOptions } from '../../shared/rpc/channel.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';
import { fromServiceError } from '../../shared/rpc/status.js';
import { startBruteForceWorker, type BruteForceOptions, type BruteForceWorker } from './brute-force-worker.js';
import type { TestDataSet } from './test-data.js';

export interface RunningCoordinator {
  readonly service: RunningService;
  readonly workers: readonly BruteForceWorker[];
  readonly scores: InstanceType<typeof protoPackage.ScoreService>;
  readonly samples: InstanceType<typeof protoPackage.SamplingService>;
  readonly dataSets: InstanceType<typeof protoPackage.DatasetService>;
  /** Rejects with a GolddiffError. */
  readonly score: (request: ScoreRequest, timeoutMs?: number) => Promise<ScoreResponse__Output>;
  readonly sample: (request: SampleRequest) => Promise<SampleEvent__Output[]>;
}

export interface RunningOptions {
  readonly workers?: number;
  readonly worker?: Partial<BruteForceOptions>;
  readonly config?: Partial<CoordinatorConfig>;
}

export async function runCoordinator(t: TestContext, data: TestDataSet, options: RunningOptions = {}): Promise<RunningCoordinator> {
  const dir = await mkdtemp(path.join(tmpdir(), 'golddiff-coordinator-'));
  await writeFile(path.join(dir, 'manifest.json'), JSON.stringify(data.manifest));
  const workers: BruteForceWorker[] = [];
  const running: { stop?: () => Promise<void> } = {};
  t.after(async () => {
    await running.stop?.();
    for (const worker of workers) worker.stop();
    await rm(dir, { recursive: true });
  });
  for (let i = 0; i < (options.workers ?? 2); i++) workers.push(await startBruteForceWorker({ workerId: `w${i}`, data, ...options.worker }));
  const config: CoordinatorConfig = {
    data: { kind: 'folder', dir },
    workers: workers.map((w) => w.address),
    replicas: 1,
    coordinatorId: 'c',
    clusterName: 'golddiff',
    natsReplicas: 1,
    listen: '127.0.0.1:0',
    metricsListen: '127.0.0.1:0',
    logLevel: 'silent',
    stepsMax: 4,
    queueMax: 64,
    placementWaitMs: 0,
    hedgePercent: 0,
    hedgePercentile: 95,
    hedgeDelayMs: 20,
    drainTimeoutMs: 1_000,
    leaveNoticeMs: 0,
    startWaitMs: 0,
    ...options.config,
  };
  const service = await startCoordinator(config, createLogger('test', 'silent'));
  const channel = channelOptions({ messageBytesMax: 2 * PUBLIC_MESSAGE_BYTES_MAX, ownConnection: true });
  const insecure = credentials.createInsecure();
  const { address } = service.ready;
  const scores = new protoPackage.ScoreService(address, insecure, channel);
  const samples = new protoPackage.SamplingService(address, insecure, channel);
  const dataSets = new protoPackage.DatasetService(address, insecure, channel);
  running.stop = async () => {
    for (const client of [scores, samples, dataSets]) client.close();
    await service.stop();
  };
  return {
    service,
    workers,
    scores,
    samples,
    dataSets,
    score: (request, timeoutMs = 20_000) => answerOf((done) => scores.Score(request, { deadline: Date.now() + timeoutMs }, done)),
    sample: (request) => collect(samples.Sample(request)),
  };
}

export function answerOf<Reply>(call: (done: (error: ServiceError | null, reply?: Reply) => void) => unknown): Promise<Reply> {
  return new Promise((resolve, reject) => {
    call((error, reply) => (error === null ? resolve(reply!) : reject(fromServiceError(error))));
  });
}

/** All messages of a stream; rejects with a GolddiffError. */
export function collect<Message>(stream: ClientReadableStream<Message>): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    const messages: Message[] = [];
    stream.on('data', (message: Message) => messages.push(message));
    stream.on('error', (error: ServiceError) => reject(fromServiceError(error)));
    stream.on('end', () => resolve(messages));
  });
}

export function floatsOf(data: Uint8Array): Float32Array {
  return new Float32Array(Uint8Array.from(data).buffer);
}
