/** A shard worker on a real gRPC server in this process, and a client that speaks the step protocol by hand. */

import { once } from 'node:events';
import { credentials, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import type { AssignRequest } from '../../proto/generated/golddiff/v1/AssignRequest.js';
import type { AssignResponse__Output } from '../../proto/generated/golddiff/v1/AssignResponse.js';
import type { DescribeResponse__Output } from '../../proto/generated/golddiff/v1/DescribeResponse.js';
import type { OpenStep } from '../../proto/generated/golddiff/v1/OpenStep.js';
import type { ShardServiceClient } from '../../proto/generated/golddiff/v1/ShardService.js';
import type { StepRequest } from '../../proto/generated/golddiff/v1/StepRequest.js';
import type { StepResponse__Output } from '../../proto/generated/golddiff/v1/StepResponse.js';
import { ReferenceBackend } from '../../shard-worker/backends/reference/reference-backend.js';
import { PartitionStore } from '../../shard-worker/partition-store.js';
import type { SupportStore } from '../../shard-worker/support-store.js';
import { createShardService } from '../../shard-worker/shard-service.js';
import { openDataSet } from '../../shared/dataset/data-set.js';
import { INTERNAL_MESSAGE_BYTES_MAX } from '../../shared/limits.js';
import { createMetrics, type WorkerMetrics } from '../../shared/metrics.js';
import { channelOptions } from '../../shared/rpc/channel.js';
import { startGrpcServer, type GrpcServer } from '../../shared/rpc/grpc-server.js';
import { protoPackage } from '../../shared/rpc/proto-package.js';

export interface WorkerOptions {
  readonly dataDirs: readonly string[];
  readonly computeThreads?: number;
  readonly deviceMemoryBytes?: number;
  readonly stepsMax?: number;
  readonly supports?: SupportStore;
}

export class WorkerUnderTest {
  private constructor(
    readonly server: GrpcServer,
    readonly client: ShardServiceClient,
    readonly store: PartitionStore,
    readonly backend: ReferenceBackend,
    readonly metrics: WorkerMetrics,
  ) {}

  static async start(options: WorkerOptions): Promise<WorkerUnderTest> {
    const log = pino({ level: 'silent' });
    const deviceMemoryBytes = options.deviceMemoryBytes ?? Infinity;
    const backend = new ReferenceBackend({ computeThreads: options.computeThreads ?? 2, deviceMemoryBytes });
    const dataSets = await Promise.all(options.dataDirs.map((dir) => openDataSet(dir)));
    const store = new PartitionStore({ dataSets, backend, deviceMemoryBytes, log });
    const metrics = createMetrics('shard-worker');
    const stepsMax = options.stepsMax === undefined ? {} : { stepsMax: options.stepsMax };
    const supports = options.supports === undefined ? {} : { supports: options.supports };
    const implementation = createShardService({ workerId: 'w', store, backend, deviceMemoryBytes, metrics, ...stepsMax, ...supports });
    const services = [{ service: protoPackage.ShardService.service, implementation }];
    const server = await startGrpcServer({ listen: '127.0.0.1:0', services, log, messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX });
    const channel = channelOptions({ messageBytesMax: INTERNAL_MESSAGE_BYTES_MAX });
    const client = new protoPackage.ShardService(server.address, credentials.createInsecure(), channel);
    return new WorkerUnderTest(server, client, store, backend, metrics);
  }

  assign(request: AssignRequest): Promise<AssignResponse__Output> {
    return new Promise((resolve, reject) =>
      this.client.Assign(request, (error: ServiceError | null, reply) => (error ? reject(error) : resolve(reply!))),
    );
  }

  describe(): Promise<DescribeResponse__Output> {
    return new Promise((resolve, reject) =>
      this.client.Describe({}, (error: ServiceError | null, reply) => (error ? reject(error) : resolve(reply!))),
    );
  }

  openStream(): StreamUnderTest {
    return new StreamUnderTest(this.client.Steps());
  }

  async close(): Promise<void> {
    this.client.close();
    this.server.forceStop();
    await this.backend.close();
  }
}

/** Replies of a stream, to be awaited by step. */
export class StreamUnderTest {
  readonly replies: StepResponse__Output[] = [];
  ended = false;
  #waiting: (() => void)[] = [];

  constructor(readonly call: ClientDuplexStream<StepRequest, StepResponse__Output>) {
    call.on('data', (reply: StepResponse__Output) => {
      this.replies.push(reply);
      this.#wakeAll();
    });
    call.on('end', () => {
      this.ended = true;
      this.#wakeAll();
    });
    call.on('error', () => {});
  }

  #wakeAll(): void {
    this.#waiting.splice(0).forEach((wake) => wake());
  }

  send(stepId: number, body: Omit<StepRequest, 'stepId' | 'body'>): void {
    this.call.write({ stepId, ...body });
  }

  /** Opens a step and sends x in pieces of `pieceBytes`, the first with the open where the number is even. */
  open(stepId: number, open: OpenStep, x: Float64Array | Float32Array, pieceBytes = 1000): void {
    const bytes = Buffer.from(x.slice().buffer);
    const withOpen = stepId % 2 === 0 ? pieceBytes : 0;
    const xDtype = x instanceof Float64Array ? 'F64' : 'F32';
    this.send(stepId, {
      open: { xDtype, temperature: 1, timeoutMs: 60_000, x: bytes.subarray(0, withOpen), ...open },
    });
    for (let from = withOpen; from < bytes.length; from += pieceBytes)
      this.send(stepId, { xChunk: { data: bytes.subarray(from, from + pieceBytes) } });
  }

  /** The next reply of the step, taken out. */
  async next(stepId: number): Promise<StepResponse__Output> {
    for (;;) {
      const at = this.replies.findIndex((reply) => reply.stepId === stepId);
      if (at >= 0) return this.replies.splice(at, 1)[0]!;
      if (this.ended) throw new Error('the stream ended');
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Replies of the step up to the one with the given body. */
  async until(stepId: number, body: StepResponse__Output['body']): Promise<StepResponse__Output[]> {
    const replies: StepResponse__Output[] = [];
    for (;;) {
      const reply = await this.next(stepId);
      replies.push(reply);
      if (reply.body === body) return replies;
      if (reply.failure) throw new Error(`${reply.failure.code}: ${reply.failure.message}`);
    }
  }

  async end(): Promise<void> {
    if (this.ended) return;
    this.call.end();
    await once(this.call, 'end');
  }
}
