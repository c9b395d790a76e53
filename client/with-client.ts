/**
 * A client for the length of one command: of a cluster that is there, or of an embedded one that is started before and stopped after, whatever happens.
 */

import { defined } from '../shared/defined.js';
import { argumentError, asGolddiffError, GolddiffError } from '../shared/errors.js';
import { startTracing, type Tracing } from '../shared/tracing.js';
import { childWarnings } from './child-warnings.js';
import { dialledTls, refuseTlsFlags, type ClientTlsFlags } from './dialled-tls.js';
import { startEmbeddedCluster, type EmbeddedCluster } from './embedded-cluster.js';
import { connect, type GolddiffClient } from './golddiff-client.js';
import { listenForInterrupts } from './interrupts.js';

/** Flags of TLS are for an endpoint. */
export interface ClientTarget extends ClientTlsFlags {
  /** host:port of a coordinator */
  readonly endpoint?: string;
  /** folder of a data set, for an embedded cluster */
  readonly data?: string;
  /** workers of the embedded cluster */
  readonly shards?: number;
  /** where traces of this command go, and of the embedded cluster */
  readonly otlpEndpoint?: string;
  /** of the embedded cluster's workers; default: the fastest that there is */
  readonly backend?: string;
}

export interface ClientSession {
  readonly client: GolddiffClient;
  /** fires at Ctrl-C */
  readonly signal: AbortSignal;
  /** undefined where an endpoint was given */
  readonly cluster: EmbeddedCluster | undefined;
}

/** Errors: ARGUMENT_INVALID unless exactly one of endpoint and data is given; CANCELLED at Ctrl-C; else what `use` throws. */
export async function withClient<T>(target: ClientTarget, use: (session: ClientSession) => Promise<T>): Promise<T> {
  if ((target.endpoint === undefined) === (target.data === undefined))
    throw argumentError('the cluster', 'either --endpoint HOST:PORT or --data DIR', target.endpoint === undefined ? 'neither' : 'both');
  if (target.data === undefined && target.shards !== undefined) throw argumentError('--shards', 'an embedded cluster (--data DIR)', 'an endpoint');
  if (target.data !== undefined) refuseTlsFlags(target);
  const tls = target.data === undefined ? dialledTls(target) : undefined;
  const interrupts = listenForInterrupts();
  let cluster: EmbeddedCluster | undefined;
  let client: GolddiffClient | undefined;
  let tracing: Tracing | undefined;
  try {
    if (target.data !== undefined)
      cluster = await startEmbeddedCluster({
        dataDir: target.data,
        signal: interrupts.signal,
        onLogLine: childWarnings((sentence) => void process.stderr.write(`golddiff: ${sentence}\n`)),
        ...defined({ shards: target.shards, otlpEndpoint: target.otlpEndpoint, backend: target.backend }),
      });
    if (target.otlpEndpoint !== undefined)
      tracing = await startTracing({ endpoint: target.otlpEndpoint, component: 'client', instance: String(process.pid) });
    client = connect(target.endpoint ?? cluster?.endpoint ?? '', defined({ tls, tracing }));
    return await use({ client, signal: interrupts.signal, cluster });
  } catch (thrown) {
    if (interrupts.signal.aborted) throw interrupts.signal.reason;
    if (!(thrown instanceof GolddiffError) || cluster === undefined || cluster.deaths.length === 0) throw thrown;
    const error = asGolddiffError(thrown);
    throw new GolddiffError(error.code, `${error.message}. ${cluster.deaths.join('. ')}`, error.data, { cause: error });
  } finally {
    client?.close();
    await cluster?.stop();
    await tracing?.close();
    interrupts.release();
  }
}
