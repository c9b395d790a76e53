/**
 * The TypeScript client of a golddiff coordinator.
 *
 *     const client = connect('127.0.0.1:50051');
 *     const { x0hat } = await client.score({ x, shape: [8, 784], t: 300 });
 *     for await (const event of client.sample({ count: 16, retrieval: { kind: 'golden' } })) ...
 *     client.close();
 *
 * Arrays are plain typed arrays with their shape beside them. Every call takes an AbortSignal and a timeout; every failure is a GolddiffError with
 * a stable `code`, one sentence as its message, and `retryable`.
 */

import { makeGenericClientConstructor, type Client } from '@grpc/grpc-js';
import { service as healthService } from 'grpc-health-check';

import type { ClusterServiceClient } from '../proto/generated/golddiff/v1/ClusterService.js';
import type { ClusterStatus__Output } from '../proto/generated/golddiff/v1/ClusterStatus.js';
import type { Dataset__Output } from '../proto/generated/golddiff/v1/Dataset.js';
import type { DatasetServiceClient } from '../proto/generated/golddiff/v1/DatasetService.js';
import type { JobServiceClient } from '../proto/generated/golddiff/v1/JobService.js';
import type { ListDatasetsResponse__Output } from '../proto/generated/golddiff/v1/ListDatasetsResponse.js';
import type { SamplingServiceClient } from '../proto/generated/golddiff/v1/SamplingService.js';
import type { ScoreServiceClient } from '../proto/generated/golddiff/v1/ScoreService.js';
import { defined } from '../shared/defined.js';
import { argumentError } from '../shared/errors.js';
import { PAGE_SIZE_MAX, PUBLIC_MESSAGE_BYTES_MAX } from '../shared/limits.js';
import { channelOptions } from '../shared/rpc/channel.js';
import { channelCredentials, type ChannelTls } from '../shared/rpc/channel-tls.js';
import { explainConnection } from '../shared/rpc/connection-failure.js';
import { protoPackage } from '../shared/rpc/proto-package.js';
import { within, type Span, type Tracing } from '../shared/tracing.js';
import { TlsFiles } from '../shared/tls/tls-files.js';
import { metadataOf, optionsOf, serverStreamCall, unaryCall, type CallControl } from './calls.js';
import { JobCalls } from './job-calls.js';
import { decodeSampleEvent, encodeSampleRequest, type SampleEvent, type SampleInput } from './sample-call.js';
import { decodeScoreResponse, encodeScoreRequest, type ScoreInput, type ScoreResult } from './score-call.js';
import { ScoreStream } from './score-stream.js';

export type { CallControl } from './calls.js';
export type { ExactRetrieval, GoldenRetrieval, RetrievalChoice } from './retrieval.js';
export type { SampleEvent, SampleInput } from './sample-call.js';
export type { ScoreInput, ScoreResult } from './score-call.js';
export type { JobCalls, JobInfo, JobResult, JobState } from './job-calls.js';
export type { ScoreStream } from './score-stream.js';

export interface ConnectOptions {
  /** default timeout of a call; none where left out */
  readonly timeoutMs?: number;
  /** largest message either way; default 64 MiB */
  readonly messageBytesMax?: number;
  /** TLS; plain text where left out. Files are looked at again before each connection */
  readonly tls?: ClientTls;
  /** spans of scores and samples are made and sent by it; default: none */
  readonly tracing?: Tracing;
}

/** PEM files. */
export interface ClientTls {
  /** of the authority that signed the server's certificate; default: those that this machine trusts */
  readonly caFile?: string;
  /** certificate of this client and its key, where the server asks for one */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** name that the server's certificate must have; default: the host of the endpoint */
  readonly serverName?: string;
}

/** What is served under one name: shape [C, H, W], rows N, partitions and who holds them. */
export type DataSetInfo = Dataset__Output;
export type HealthStatus = 'UNKNOWN' | 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

export type ClusterInfo = ClusterStatus__Output;

export interface ClusterCalls {
  /** Workers, who holds what, who leads. */
  status(control?: CallControl): Promise<ClusterInfo>;
  /** Has a worker's partitions moved to others; it is empty when its partitionsPlaced is 0. `undo` gives it work again. NOT_FOUND where it is not there. */
  drain(workerId: string, undo?: boolean, control?: CallControl): Promise<ClusterInfo>;
}

export interface DataSetCalls {
  /** Every data set that is served. */
  list(control?: CallControl): Promise<DataSetInfo[]>;
  /** One of them. The name may be left out where only one is served. NOT_FOUND: DATA_SET_UNKNOWN. */
  get(name?: string, control?: CallControl): Promise<DataSetInfo>;
}

/** The connection is made at the first call and again after a loss. Throws ARGUMENT_INVALID where the endpoint is not host:port, and for TLS files that cannot be used. */
export function connect(endpoint: string, options: ConnectOptions = {}): GolddiffClient {
  return new GolddiffClient(endpoint, options);
}

const HealthClient = makeGenericClientConstructor(healthService, 'grpc.health.v1.Health');

export class GolddiffClient {
  readonly endpoint: string;
  readonly datasets: DataSetCalls;
  readonly cluster: ClusterCalls;
  readonly jobs: JobCalls;
  readonly #timeoutMs: number | undefined;
  readonly #tracing: Tracing | undefined;
  readonly #scores: ScoreServiceClient;
  readonly #sampling: SamplingServiceClient;
  readonly #dataSets: DatasetServiceClient;
  readonly #cluster: ClusterServiceClient;
  readonly #jobs: JobServiceClient;
  readonly #health: Client;

  /** Made by connect(). */
  constructor(endpoint: string, options: ConnectOptions) {
    if (!/^(dns:\/\/\/|unix:)?\S+$/.test(endpoint) || (!endpoint.startsWith('unix:') && !/:\d{1,5}$/.test(endpoint)))
      throw argumentError('endpoint', 'host:port', endpoint);
    this.endpoint = endpoint;
    this.#timeoutMs = options.timeoutMs;
    this.#tracing = options.tracing;
    const tls = options.tls && channelTls(options.tls);
    const dialling = { at: endpoint.replace(/^dns:\/{0,3}/, ''), tls: tls?.files.paths };
    const channel = {
      ...channelOptions({ messageBytesMax: options.messageBytesMax ?? PUBLIC_MESSAGE_BYTES_MAX }),
      interceptors: [explainConnection(dialling)],
    };
    const credentials = channelCredentials(tls);
    this.#scores = new protoPackage.ScoreService(endpoint, credentials, channel);
    this.#sampling = new protoPackage.SamplingService(endpoint, credentials, channel);
    this.#dataSets = new protoPackage.DatasetService(endpoint, credentials, channel);
    this.#cluster = new protoPackage.ClusterService(endpoint, credentials, channel);
    this.#jobs = new protoPackage.JobService(endpoint, credentials, channel);
    this.#health = new HealthClient(endpoint, credentials, channel);
    this.datasets = { list: (control) => this.#listDataSets(control), get: (name, control) => this.#getDataSet(name, control) };
    this.jobs = new JobCalls(this.#jobs, (control) => this.#bounded(control));
    this.cluster = {
      status: (control = {}) => unaryCall(this.#bounded(control), (metadata, options, done) => this.#cluster.status({}, metadata, options, done)),
      drain: (workerId, undo = false, control = {}) =>
        unaryCall(this.#bounded(control), (metadata, options, done) => this.#cluster.drain({ workerId, undo }, metadata, options, done)),
    };
  }

  /** Denoises one batch. x must not change until the answer is there. */
  async score(input: ScoreInput, control: CallControl = {}): Promise<ScoreResult> {
    const request = encodeScoreRequest(input);
    const span = this.#span('score', control);
    const traced = this.#bounded(withSpan(control, span));
    return within(span, async () =>
      decodeScoreResponse(await unaryCall(traced, (metadata, options, done) => this.#scores.score(request, metadata, options, done))),
    );
  }

  /** Opens a stream for many batches. The timeout, if any, is that of the whole stream: the connection's default does not apply. */
  scoreStream(control: CallControl = {}): ScoreStream {
    return new ScoreStream(this.#scores.scoreStream(metadataOf(control), optionsOf(control)), control.signal);
  }

  /** Samples images. Leaving the loop, or the signal, cancels the work on the server. The connection's default timeout does not apply. */
  async *sample(input: SampleInput, control: CallControl = {}): AsyncGenerator<SampleEvent, void, undefined> {
    const request = encodeSampleRequest(input);
    const span = this.#span('sample', control);
    const traced = withSpan(control, span);
    try {
      for await (const message of serverStreamCall(traced, (metadata, options) => this.#sampling.sample(request, metadata, options))) {
        const event = decodeSampleEvent(message);
        if (event !== undefined) yield event;
      }
    } catch (thrown) {
      span?.end(thrown);
      throw thrown;
    } finally {
      span?.end();
    }
  }

  /** State of one service, such as `golddiff.v1.ScoreService`, or of the whole server. */
  async health(service = '', control: CallControl = {}): Promise<HealthStatus> {
    const check = healthService['Check'];
    if (check === undefined) throw new Error('Invariant broken: grpc-health-check defines Check');
    const { status } = await unaryCall<{ status: HealthStatus }>(this.#bounded(control), (metadata, options, done) =>
      this.#health.makeUnaryRequest(
        check.path,
        check.requestSerialize,
        check.responseDeserialize as (bytes: Buffer) => { status: HealthStatus },
        { service },
        metadata,
        options,
        done,
      ),
    );
    return status;
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#scores.close();
    this.#sampling.close();
    this.#dataSets.close();
    this.#cluster.close();
    this.#jobs.close();
    this.#health.close();
  }

  async #listDataSets(control: CallControl = {}): Promise<DataSetInfo[]> {
    const all: DataSetInfo[] = [];
    let pageToken = '';
    do {
      const request = { pageSize: PAGE_SIZE_MAX, pageToken };
      const page: ListDatasetsResponse__Output = await unaryCall(this.#bounded(control), (metadata, options, done) =>
        this.#dataSets.list(request, metadata, options, done),
      );
      all.push(...page.dataSets);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return all;
  }

  async #getDataSet(name = '', control: CallControl = {}): Promise<DataSetInfo> {
    return unaryCall(this.#bounded(control), (metadata, options, done) => this.#dataSets.get({ name }, metadata, options, done));
  }

  #span(name: string, control: CallControl): Span | undefined {
    return this.#tracing?.start(`client ${name}`, 'client', control.traceparent);
  }

  #bounded(control: CallControl): CallControl {
    return this.#timeoutMs === undefined || control.timeoutMs !== undefined ? control : { ...control, timeoutMs: this.#timeoutMs };
  }
}

function channelTls({ caFile, certFile, keyFile, serverName }: ClientTls): ChannelTls {
  return { files: new TlsFiles(defined({ ca: caFile, cert: certFile, key: keyFile })), ...defined({ serverName }) };
}

function withSpan(control: CallControl, span: Span | undefined): CallControl {
  return span === undefined ? control : { ...control, traceparent: span.traceparent };
}
